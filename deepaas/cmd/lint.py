# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas lint``: find in the files of a module what breaks later."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from deepaas.errors import DeepaasError
from deepaas.lint import RULES, Rule, find_faults, read_project

EXIT_FOUND: Final = 1
EXIT_USAGE: Final = 2


def main(argv: Sequence[str]) -> int:
    """Look at a folder.

    Returns:
        0: nothing was found; 1: something was; 2: the folder or a rule does not exist.
    """
    parser = make_parser()
    options = parser.parse_args(argv)
    if options.list:
        for rule in RULES:
            print(f"{rule.id}  {rule.title}")
        return 0
    folder = Path(options.folder)
    if not folder.is_dir():
        parser.error(f"{options.folder!r} is no folder")
    try:
        imported = _imported(options.imports) if options.imports else ()
    except DeepaasError as exc:
        print(f"deepaas lint: {exc.message}", file=sys.stderr)
        return EXIT_USAGE
    findings = find_faults(read_project(folder, imported), _chosen(parser, options))
    if options.json:
        print(json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        for each in findings:
            print("".join(char if char.isprintable() else " " for char in str(each)))
    return EXIT_FOUND if findings else 0


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas lint",
        description="Find in the files of a module what breaks later.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the module; here")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument(
        "--select", default="", metavar="RULES", help="these alone: DCK,SEC03 (or their beginnings)"
    )
    parser.add_argument("--ignore", default="", metavar="RULES", help="not these")
    parser.add_argument(
        "--import",
        dest="imports",
        metavar="MODEL",
        help="import this model too, to see arguments that its code makes",
    )
    parser.add_argument("--list", action="store_true", help="print the rules, and end")
    return parser


def _chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[Rule]:
    selected, ignored = (
        tuple(each.strip() for each in text.split(",") if each.strip())
        for text in (options.select, options.ignore)
    )
    for each in (*selected, *ignored):
        if not any(rule.id.startswith(each) for rule in RULES):
            parser.error(f"there is no rule {each!r}; --list shows those that are there")
    return [
        rule
        for rule in RULES
        if rule.id.startswith(selected or "") and not (ignored and rule.id.startswith(ignored))
    ]


def _imported(name: str) -> tuple[str, ...]:
    """Return the arguments of a model, whose code runs here."""
    from deepaas.project import open_module

    description = open_module(name).description
    arguments = (
        *description.predict_arguments,
        *description.train_arguments,
        *description.evaluate_arguments,
    )
    return tuple(dict.fromkeys(each.wire_name for each in arguments))
