# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas orchestrator``: create, follow and delete deployments."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from deepaas.cmd.jobs.output import abandon, take_any_character
from deepaas.cmd.orchestrator.options import DEFAULT_URL, make_parser
from deepaas.cmd.orchestrator.output import (
    Progress,
    line_of,
    print_deployment,
    print_json,
    print_table,
    print_text,
    say,
)
from deepaas.cmd.orchestrator.serve_local import serve_local
from deepaas.errors import ConfigurationError, DeepaasError, InvalidDocument, RequestFailed
from deepaas.orchestrator.asked import Asked, kept_place, load_asked, read_parameters
from deepaas.orchestrator.client import URL_VARIABLE, OrchestratorClient, checked_url
from deepaas.orchestrator.placement import place
from deepaas.orchestrator.redeploying import how_to_go_on, redeploy
from deepaas.orchestrator.tokens import token_source
from deepaas.orchestrator.waiting import NotInTime, gone, is_done, settled

EXIT_FAILED, EXIT_USAGE, EXIT_TIMEOUT, EXIT_INTERRUPTED = 1, 2, 3, 130
#: Options of the command line, and the members of a request that they become.
_OPTIONS: Final = {
    "callback": "callback",
    "user_group": "userGroup",
    "deploy_timeout": "timeoutMins",
    "provider_timeout": "providerTimeoutMins",
    "max_providers_retry": "maxProvidersRetry",
}


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: done, and where it was waited for, well; 1: refused, or the deployment failed; 2: the
        command line, the template or a file is wrong; 3: it was not done in time; 130: interrupted,
        which does nothing to the deployment.
    """
    options = make_parser().parse_args(argv)
    take_any_character()
    try:
        status = asyncio.run(_run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever was to read it is gone.
        abandon(sys.stdout)
        return EXIT_FAILED
    except (ConfigurationError, InvalidDocument) as exc:
        say(exc.message)
        return EXIT_USAGE
    except DeepaasError as exc:
        say(exc.message)
        return EXIT_FAILED
    except NotInTime:
        say(f"it has not settled within {options.timeout:g} s, and goes on.")
        return EXIT_TIMEOUT
    except KeyboardInterrupt:
        say("interrupted.")
        return EXIT_INTERRUPTED
    return status


async def _run(options: argparse.Namespace) -> int:
    if options.action == "serve-local":
        return await serve_local(options)
    given = options.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    tokens = token_source(options.token_file, options.oidc_account)
    async with OrchestratorClient(checked_url(given), tokens) as client:
        return await _ACTIONS[options.action](client, options)


async def _create(client: OrchestratorClient, options: argparse.Namespace) -> int:
    if (options.template is None) == (options.request is None):
        raise ConfigurationError("give a template, or --request FILE.")
    said = _asked("", options)
    if options.request is not None:
        asked = load_asked(options.request).changed(said)
    else:
        asked = Asked(_read(options.template)).changed(said)
    asked = _placed(asked, options)
    deployment = await client.create(asked.body())
    _keep(asked, deployment["uuid"])
    return await _follow(client, deployment, options)


async def _list(client: OrchestratorClient, options: argparse.Namespace) -> int:
    found = await client.list(options.created_by)
    if options.json:
        print_json(found)
    else:
        print_table(found)
    return 0


async def _show(client: OrchestratorClient, options: argparse.Namespace) -> int:
    deployment = await client.show(options.uuid)
    if options.output is None:
        _print(deployment, options)
        return 0
    outputs = deployment.get("outputs")
    value = outputs.get(options.output) if isinstance(outputs, dict) else None
    if value is None:
        raise RequestFailed(
            f"The deployment {options.uuid}, {deployment['status']}, has no output"
            f" {options.output!r}."
        )
    if options.json:
        print_json(value)
    else:
        print(line_of(value))
    return 0


async def _update(client: OrchestratorClient, options: argparse.Namespace) -> int:
    asked = _placed(_asked(_read(options.template), options), options)
    await client.update(options.uuid, asked.body())
    _keep(asked, options.uuid)
    return await _follow(client, await client.show(options.uuid), options)


async def _delete(client: OrchestratorClient, options: argparse.Namespace) -> int:
    await client.delete(options.uuid)
    if options.wait:
        progress = Progress()
        try:
            await gone(client, options.uuid, options.timeout, progress.look)
        finally:
            progress.end()
        _forget(kept_place(options.uuid))
    if options.json:
        print_json({"uuid": options.uuid, "deleted": options.wait})
    else:
        print(f"{'Deleted' if options.wait else 'Deleting'} {options.uuid}.")
    return 0


async def _log(client: OrchestratorClient, options: argparse.Namespace) -> int:
    text = await client.log(options.uuid)
    if options.json:
        print_json({"uuid": options.uuid, "log": text})
    else:
        print_text(text)
    return 0


async def _wait(client: OrchestratorClient, options: argparse.Namespace) -> int:
    return await _settle(client, options.uuid, options)


async def _redeploy(client: OrchestratorClient, options: argparse.Namespace) -> int:
    asked = await _what_it_had(client, options)
    asked = _placed(asked.changed(_asked("", options)), options)
    saved = options.save or kept_place(f"redeploy-{options.uuid}")
    progress = Progress()
    try:
        deployment = await redeploy(
            client, options.uuid, asked, saved, options.timeout, progress.look
        )
    except NotInTime:
        say(how_to_go_on(saved))
        raise
    finally:
        progress.end()
    _keep(asked, deployment["uuid"])
    _forget(kept_place(options.uuid))
    if options.save is None:
        _forget(saved)
    return await _follow(client, deployment, options)


async def _what_it_had(client: OrchestratorClient, options: argparse.Namespace) -> Asked:
    """Return what a deployment was created from: kept here, or else its template only.

    Raises:
        ConfigurationError: Its parameters are not known.
    """
    kept = kept_place(options.uuid)
    if kept.exists():
        asked = load_asked(kept)
    elif options.defaults or options.parameters is not None:
        asked = Asked("")
    else:
        raise ConfigurationError(
            f"The parameters of {options.uuid} are not known: the orchestrator does not tell them,"
            f" and {kept} is not there, since it was created elsewhere. Give them with"
            " --parameters, or take the template's defaults with --defaults."
        )
    if options.template is not None:
        return Asked(_read(options.template)).changed(asked)
    return asked if asked.template else Asked(await client.template(options.uuid))


def _asked(template: str, options: argparse.Namespace) -> Asked:
    """Return what the command line says."""
    parameters = {} if options.parameters is None else read_parameters(options.parameters)
    members = {name: getattr(options, option) for option, name in _OPTIONS.items()}
    members = {name: value for name, value in members.items() if value is not None}
    if options.keep_last_attempt:
        members["keepLastAttempt"] = True
    files = {name: str(Path(path).expanduser().absolute()) for name, path in options.parameter_file}
    return Asked(template, {**parameters, **dict(options.parameter)}, files, members)


def _placed(asked: Asked, options: argparse.Namespace) -> Asked:
    if options.sla is None:
        return asked
    return Asked(place(asked.template, options.sla)).changed(asked)


def _keep(asked: Asked, uuid: str) -> None:
    """Keep what was asked for, so that it can be repeated; the deployment stands without."""
    try:
        asked.keep(kept_place(uuid))
    except ConfigurationError as exc:
        say(f"{exc.message} `redeploy` will ask for the parameters.")


def _forget(path: Path) -> None:
    """Remove what was kept for a deployment that is gone; what stays there does no harm."""
    with suppress(OSError):
        path.unlink()


async def _follow(
    client: OrchestratorClient, deployment: dict[str, Any], options: argparse.Namespace
) -> int:
    """Print a deployment, once it has settled where that is to be waited for."""
    if options.wait:
        return await _settle(client, deployment["uuid"], options)
    _print(deployment, options)
    return 0


async def _settle(client: OrchestratorClient, uuid: str, options: argparse.Namespace) -> int:
    progress = Progress()
    try:
        deployment = await settled(client, uuid, options.timeout, progress.look)
    finally:
        progress.end()
    _print(deployment, options)
    return 0 if is_done(deployment) else EXIT_FAILED


def _print(deployment: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print_json(deployment)
    else:
        print_deployment(deployment)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} is no text.") from exc


_ACTIONS: Final[dict[str, Callable[[OrchestratorClient, argparse.Namespace], Awaitable[int]]]] = {
    "create": _create,
    "list": _list,
    "show": _show,
    "update": _update,
    "delete": _delete,
    "log": _log,
    "wait": _wait,
    "redeploy": _redeploy,
}
