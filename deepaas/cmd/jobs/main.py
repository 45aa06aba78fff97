# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas jobs``: list, follow, cancel, export … the jobs of a service."""

import argparse
import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from deepaas.cmd.jobs import views
from deepaas.cmd.jobs.client import JobsClient, read_body
from deepaas.cmd.jobs.export import JobExport
from deepaas.cmd.jobs.following import JobFollowing
from deepaas.cmd.jobs.harmless import shown
from deepaas.cmd.jobs.output import PROG, LogOutput, abandon, take_any_character, tell
from deepaas.config.client import (
    DEFAULT_URL,
    SIGN_IN_FILE_VARIABLE,
    SIGN_IN_VARIABLE,
    URL_VARIABLE,
    load_client_settings,
)
from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.records import JobState

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_JOB_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PAGE: Final = 1000
_MOST_LINES: Final = 100_000


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: done, and of ``follow``: the job is done; 1: the service cannot be reached or refuses, or
        the job ended otherwise; 2: the command line is wrong, or a file or the output cannot be
        written; 130: interrupted, which does nothing to the job.
    """
    options = make_parser().parse_args(argv)
    if sys.stdout is None:
        return _say("standard output is closed.", EXIT_USAGE)
    take_any_character()
    try:
        status = _ask(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever was to read it is gone.
        abandon(sys.stdout)
        return EXIT_FAILED
    except OSError as exc:
        abandon(sys.stdout)
        return _say(f"standard output cannot be written: {exc.strerror or exc}.", EXIT_USAGE)
    return status


def _ask(options: argparse.Namespace) -> int:
    """Do what was asked; what goes wrong elsewhere than with the output is told."""
    try:
        return asyncio.run(_run(options))
    except ConfigurationError as exc:
        return _say(exc.message, EXIT_USAGE)
    except RequestFailed as exc:
        return _say(exc.message, EXIT_FAILED)
    except KeyboardInterrupt:
        is_following = options.action == "follow"
        goes_on = f"; the job goes on: `{PROG} follow {options.job}`" if is_following else ""
        return _say(f"interrupted{goes_on}.", EXIT_INTERRUPTED)


def _say(text: str, status: int) -> int:
    tell(f"{PROG}: {text}")
    return status


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="List, follow, cancel and export the jobs of a service.",
        epilog=f"To sign in, put the token into the variable {SIGN_IN_VARIABLE}, or name a file"
        f" that holds it: --token-file, or the variable {SIGN_IN_FILE_VARIABLE}.",
        allow_abbrev=False,
    )
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    shared.add_argument(
        "--url", metavar="URL", help=f"address of the service; ${URL_VARIABLE}, or {DEFAULT_URL}"
    )
    shared.add_argument("--model", metavar="NAME", help="the model, where there are several")
    shared.add_argument("--token-file", metavar="FILE", help="file that holds the token")
    shared.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, text: str, *, has_job: bool = True) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, parents=[shared], allow_abbrev=False)
        if has_job:
            action.add_argument("job", metavar="ID", type=_job_id, help="the job, 32 digits")
        return action

    listing = add("list", "list jobs, the newest first", has_job=False)
    listing.add_argument(
        "--state", action="append", choices=[state.value for state in JobState], default=[]
    )
    listing.add_argument("--kind", choices=["train", "predict", "evaluate"])
    listing.add_argument("--limit", type=_number(1), default=20, metavar="N", help="most jobs")
    add("show", "show a job")
    for name, text in (("log", "print a job's log"), ("follow", "follow a job to its end")):
        action = add(name, text)
        action.add_argument(
            "--tail", type=_number(0), metavar="N", help="only so many lines of what is there"
        )
    add("cancel", "cancel a job")
    add("retry", "start a job anew, as another one")
    add("delete", "remove a job that has ended, with all it made")
    export = add("export", "write a job that has ended, with all it made, to files")
    export.add_argument("target", type=Path, help="a folder, or a file NAME.tar.gz; not there yet")
    return parser


def _job_id(text: str) -> str:
    if not _JOB_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no job: 32 hexadecimal digits")
    return text


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= _MOST_LINES):
            raise argparse.ArgumentTypeError(f"{text!r} is not {least} to {_MOST_LINES}")
        return int(text)

    return number


async def _run(options: argparse.Namespace) -> int:
    settings = load_client_settings(options.url, options.token_file)
    async with JobsClient(settings) as client:
        await client.choose(options.model)
        return await _ACTIONS[options.action](client, options)


async def _list(client: JobsClient, options: argparse.Namespace) -> int:
    found: list[Any] = []
    params: dict[str, str | list[str]] = {"state": options.state} if options.state else {}
    if options.kind:
        params["kind"] = options.kind
    cursor: object = None
    while len(found) < options.limit:
        params["limit"] = str(min(options.limit - len(found), _PAGE))
        if isinstance(cursor, str):
            params["cursor"] = cursor
        page = await client.fetch(client.jobs, params=params)
        jobs, cursor = page.get("jobs"), page.get("next")
        if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
            raise client.nonsense(client.jobs)
        found += jobs
        if not isinstance(cursor, str) or not jobs:
            break
    if options.json:
        views.print_json({"jobs": found, "next": cursor})
    else:
        print(views.table(found))
    return 0


async def _show(client: JobsClient, options: argparse.Namespace) -> int:
    return _print_job(await client.fetch(client.job(options.job)), options)


async def _cancel(client: JobsClient, options: argparse.Namespace) -> int:
    job = await client.fetch(client.job(options.job, "/cancel"), method="POST")
    return _print_job(job, options)


async def _retry(client: JobsClient, options: argparse.Namespace) -> int:
    job = await client.fetch(client.job(options.job, "/retry"), method="POST")
    return _print_job(job, options)


def _print_job(job: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        views.print_json(job)
    else:
        print(views.lines(job))
    return 0


async def _delete(client: JobsClient, options: argparse.Namespace) -> int:
    await client.fetch(client.job(options.job), method="DELETE")
    if options.json:
        views.print_json({"id": options.job, "removed": True})
    else:
        print(f"Removed job {options.job}.")
    return 0


async def _log(client: JobsClient, options: argparse.Namespace) -> int:
    params = {} if options.tail is None else {"tail": str(options.tail)}
    path = client.job(options.job, "/log")
    async with client.open(path, params=params) as response:
        if options.json:
            body = await read_body(response, "Ask for less with --tail, or without --json.")
            views.print_json({"id": options.job, "log": body.decode("utf-8", "replace")})
            return 0
        output = LogOutput()
        async for data in response.content.iter_any():
            output.write(data)
    return 0


async def _follow(client: JobsClient, options: argparse.Namespace) -> int:
    view: views.FollowView
    if options.json:
        view = views.JsonView()
    elif sys.stdout.isatty():
        view = views.TerminalView()
    else:
        view = views.LineView()
    state = await JobFollowing(client, options.job, view).run(options.tail)
    if not options.json:
        view.note(f"Job {options.job} has ended: {shown(state)}.")
    return 0 if state == JobState.DONE else EXIT_FAILED


async def _export(client: JobsClient, options: argparse.Namespace) -> int:
    for note in await JobExport(client, options.job, options.target).run():
        tell(f"{PROG}: {note}")
    if options.json:
        views.print_json({"id": options.job, "target": str(options.target)})
    else:
        print(f"Exported job {options.job} to {options.target}.")
    return 0


_ACTIONS: dict[str, Callable[[JobsClient, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "log": _log,
    "follow": _follow,
    "cancel": _cancel,
    "retry": _retry,
    "delete": _delete,
    "export": _export,
}
