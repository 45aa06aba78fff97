# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the command line of ``deepaas orchestrator`` takes."""

import argparse
import re
from pathlib import Path
from typing import Final

from deepaas.cmd.orchestrator import serve_local
from deepaas.cmd.orchestrator.output import PROG
from deepaas.orchestrator.client import URL_VARIABLE
from deepaas.orchestrator.tokens import (
    ACCOUNT_VARIABLE,
    FILE_VARIABLE,
    SOCKET_VARIABLE,
    VARIABLE,
)

DEFAULT_URL: Final = f"http://127.0.0.1:{serve_local.PORT}"
_TIMEOUT_S: Final = 3600.0
_UUID: Final = re.compile(r"[\w-]{1,100}", re.ASCII)


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Deploy with an INDIGO PaaS orchestrator, or on this machine.",
        epilog=f"To sign in, name a file that holds the token (--token-file or {FILE_VARIABLE}),"
        f" put the token into the variable {VARIABLE}, or name an account of oidc-agent"
        f" (--oidc-account or {ACCOUNT_VARIABLE}), which is found by {SOCKET_VARIABLE} or as"
        " oidc-token. A token is never an argument. Exit status: 0 done; 1 refused, or the"
        " deployment failed; 2 wrong usage; 3 not in time; 130 interrupted.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shared = _shared()

    def add(name: str, text: str, *, has_uuid: bool = True) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, parents=[shared], allow_abbrev=False)
        if has_uuid:
            action.add_argument("uuid", metavar="UUID", type=_uuid, help="of the deployment")
        return action

    create = add("create", "create a deployment from a template", has_uuid=False)
    create.add_argument("template", metavar="TEMPLATE", nargs="?", type=Path, help="of TOSCA")
    create.add_argument(
        "--request", type=Path, metavar="FILE", help="repeat what redeploy has kept, instead"
    )
    _add_request(create)
    _add_waiting(create, is_asked=True)
    listing = add("list", "list deployments, the newest first", has_uuid=False)
    listing.add_argument("--created-by", metavar="WHO", help="me, or SUBJECT@ISSUER")
    show = add("show", "show a deployment and its outputs")
    show.add_argument("--output", metavar="NAME", help="print the value of this output alone")
    update = add("update", "replace template and parameters of a deployment")
    update.add_argument("template", metavar="TEMPLATE", type=Path, help="of TOSCA")
    _add_request(update)
    _add_waiting(update, is_asked=True)
    delete = add("delete", "delete a deployment")
    _add_waiting(delete, is_asked=True)
    add("log", "print the log of a deployment")
    _add_waiting(add("wait", "wait until a deployment has settled"), is_asked=False)
    again = add("redeploy", "delete a deployment, and create it anew")
    again.add_argument(
        "--template", type=Path, metavar="FILE", help="another template than the one it has"
    )
    again.add_argument(
        "--defaults",
        action="store_true",
        help="where it is not known what it had",
    )
    again.add_argument("--save", type=Path, metavar="FILE", help="where to keep what is repeated")
    _add_request(again)
    _add_waiting(again, is_asked=True)
    local = actions.add_parser(
        "serve-local", help="be an orchestrator for this machine", allow_abbrev=False
    )
    serve_local.add_arguments(local)
    return parser


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    shared.add_argument(
        "--url",
        metavar="URL",
        help=f"the orchestrator; ${URL_VARIABLE}, or {DEFAULT_URL}",
    )
    shared.add_argument("--token-file", metavar="FILE", help="file that holds the token")
    shared.add_argument("--oidc-account", metavar="NAME", help="account of oidc-agent")
    shared.add_argument("--json", action="store_true", help="print JSON")
    return shared


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="of an input, in its declared type; may be repeated",
    )
    parser.add_argument(
        "--parameters", type=Path, metavar="FILE", help="values of inputs, in YAML or JSON"
    )
    parser.add_argument(
        "--parameter-file",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=PATH",
        help="of an input, from a file: for secrets; may be repeated",
    )
    parser.add_argument("--sla", metavar="ID", help="the agreement with the provider to deploy at")
    parser.add_argument("--callback", metavar="URL", help="is told of every change")
    parser.add_argument("--user-group", metavar="NAME")
    parser.add_argument(
        "--provider-timeout", type=_number, metavar="MINUTES", help="for each provider"
    )
    parser.add_argument("--deploy-timeout", type=_number, metavar="MINUTES", help="for all of them")
    parser.add_argument("--max-providers-retry", type=_number, metavar="N")
    parser.add_argument(
        "--keep-last-attempt", action="store_true", help="keep what the last provider has begun"
    )


def _add_waiting(parser: argparse.ArgumentParser, *, is_asked: bool) -> None:
    if is_asked:
        parser.add_argument("--wait", action="store_true", help="until it has settled")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait, {_TIMEOUT_S:g}",
    )


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a deployment")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:7]) < 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
