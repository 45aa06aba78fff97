# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas orchestrator serve-local``: the orchestrator of a laptop, until it is stopped."""

import argparse
import asyncio
import logging
import os
import signal
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

from deepaas.cmd.orchestrator.output import say
from deepaas.errors import ConfigurationError

#: Where the orchestrator of this machine listens.
PORT: Final = 8085
_GRACE_S: Final = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--listen-ip", default="127.0.0.1", metavar="ADDRESS", help="of loopback, 127.0.0.1"
    )
    parser.add_argument(
        "--listen-port", type=int, default=PORT, metavar="PORT", help=f"{PORT}; 0: a free one"
    )
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where deployments are kept")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the one token that is taken; else any is"
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        type=_image,
        metavar="IMAGE=MODEL",
        help="the model to run for an image: its name, or a Python file; may be repeated",
    )
    parser.add_argument(
        "--pass-variable",
        action="append",
        default=[],
        metavar="NAME",
        help="let templates set this environment variable too; may be repeated",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=_GRACE_S,
        metavar="SECONDS",
        help=f"that a deployment gets to end by itself, {_GRACE_S:g}",
    )


def _image(text: str) -> tuple[str, str]:
    image, _, model = text.partition("=")
    if not image or not model:
        raise argparse.ArgumentTypeError(f"{text!r} is not IMAGE=MODEL")
    # A deployment runs in a folder of its own.
    return image, str(Path(model).resolve()) if model.endswith(".py") else model


async def serve_local(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    # What checks templates is missed now rather than at the first one.
    import_module("toscaparser")
    # Whoever only asks an orchestrator needs nothing of all this.
    from deepaas.model.discovery import list_sources
    from deepaas.orchestrator.local.deployer import Place
    from deepaas.orchestrator.local.planning import Rules, programs_of
    from deepaas.orchestrator.local.serving import serving

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    rules = Rules(
        images=dict(options.image),
        passed=frozenset(options.pass_variable),
        installed=[source.name for source in list_sources()],
    )
    state_dir = (options.state_dir or _default_state_dir()).resolve()
    place = Place(state_dir, partial(programs_of, rules=rules), options.grace)
    token = None if options.token_file is None else _token(options.token_file)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(place, token, options.listen_ip, options.listen_port) as url:
        if token is None:
            say(
                "any token signs in: whoever has an account on this machine can start"
                " the installed models as you. --token-file names the one that does."
            )
        print(f"{url} keeps its deployments in {state_dir}; Ctrl-C ends them all.", flush=True)
        await stop.wait()
        say("ending all deployments …")
    return 0


def _default_state_dir() -> Path:
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local/state"
    return base / "deepaas/orchestrator"


def _token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigurationError(f"--token-file: {str(path)!r} cannot be read: {reason}.") from exc
    if not token:
        raise ConfigurationError(f"--token-file: {str(path)!r} is empty.")
    return token
