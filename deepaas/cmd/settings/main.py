# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas config``: show the settings that hold, and check them before a service starts."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from deepaas.cmd.settings.alien import PREFIX, alien_findings, effective, is_masked
from deepaas.cmd.settings.findings import ERROR, Finding
from deepaas.cmd.settings.service import Effective, effective_settings, service_findings
from deepaas.cmd.settings.variables import Variables, read_all, shown
from deepaas.errors import ConfigurationError

EXIT_FAILED: Final = 1
_DEEPAAS: Final = "deepaas"
_ALIEN: Final = "alien4cloud"


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: shown, or nothing is wrong; 1: something is, or cannot be read.
    """
    given = list(argv)
    rest = given[given.index("--") + 1 :] if "--" in given else []
    options = make_parser().parse_args(given[: given.index("--")] if "--" in given else given)
    if rest and options.schema == _ALIEN:
        _tell("options behind -- are those of deepaas-run; Alien4Cloud reads variables alone.")
        return EXIT_FAILED
    try:
        variables = read_all(options.env_file)
        if options.action == "show":
            _show(_rows(variables, options.schema, rest), as_json=options.json)
            return 0
        return _check(variables, options, rest)
    except ConfigurationError as exc:
        _tell(exc.message)
        return EXIT_FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas config",
        description="Show and check the settings of a service: options of deepaas-run, behind --,"
        " then the environment, a file of variables, and files of options.",
        allow_abbrev=False,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="a file of NAME=value, as a container is given it; what the environment sets wins",
    )
    shared.add_argument(
        "--schema",
        choices=[_DEEPAAS, _ALIEN],
        default=_DEEPAAS,
        help="whose settings: of deepaas-run, or of DEEP's images of Alien4Cloud",
    )
    shared.add_argument("--json", action="store_true", help="write JSON")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser(
        "show",
        help="show the settings that hold, and where each comes from; secrets are masked",
        parents=[shared],
        allow_abbrev=False,
    )
    actions.add_parser(
        "check",
        help="name what is unknown, missing, weak or wrong",
        parents=[shared],
        allow_abbrev=False,
    )
    return parser


def _rows(variables: Variables, schema: str, rest: Sequence[str]) -> list[Effective]:
    if schema == _DEEPAAS:
        return effective_settings(variables, rest)
    known = effective(variables)
    names = sorted(name for name in known.values if name.startswith(PREFIX))
    return [
        Effective(name, shown(known.values[name], is_secret=is_masked(name)), known.place(name))
        for name in names
    ]


def _show(rows: Sequence[Effective], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=2))
        return
    for row in rows:
        # As Python writes it: a value may have line breaks.
        value = row.value if row.value.isprintable() else repr(row.value)
        print(f"{row.name} = {value}".rstrip() + f"\t[{row.origin}]")


def _check(variables: Variables, options: argparse.Namespace, rest: Sequence[str]) -> int:
    if options.schema == _DEEPAAS:
        found = list(service_findings(variables, rest))
    else:
        found = list(alien_findings(variables))
    is_good = not any(each.level == ERROR for each in found)
    if options.json:
        said: list[dict[str, Any]] = [_as_dict(each) for each in found]
        print(json.dumps({"is_good": is_good, "findings": said}, indent=2))
    else:
        for each in found:
            print(f"{each.level}: {each.place}: {_text(each)}")
        print("The settings can be used." if is_good else "The settings need mending.")
    return 0 if is_good else EXIT_FAILED


def _text(finding: Finding) -> str:
    # What refuses a value quotes it, and an address may have a password in it.
    return shown(finding.text, is_secret=False)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {"level": finding.level, "place": finding.place, "text": _text(finding)}


def _tell(text: str) -> None:
    print(f"deepaas config: {shown(text, is_secret=False)}", file=sys.stderr)
