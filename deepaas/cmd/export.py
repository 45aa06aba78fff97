# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas export``: the files that deploy a module."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from deepaas.cmd.jobs.output import abandon
from deepaas.errors import ConfigurationError, DeepaasError
from deepaas.export import TARGETS, ExportOptions, Target, check, find_target, plan, write_files
from deepaas.project import open_module

EXIT_FAILED: Final = 1


def main(argv: Sequence[str]) -> int:
    """Write, show or check the files of one target.

    Returns:
        0: done, or all fits; 1: it cannot be done, or does not fit.

    Raises:
        SystemExit: The command line is wrong: 2.
    """
    parser = make_parser()
    given = parser.parse_args(argv)
    try:
        target, flavour = find_target(given.target, given.flavour)
    except ConfigurationError as exc:
        parser.error(exc.message)
    try:
        return _export(target, flavour, given)
    except DeepaasError as exc:
        _tell(exc.message)
        return EXIT_FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas export",
        description="Write the files that deploy a module.",
        epilog="Targets: " + "; ".join(f"{each.name}: {each.help}" for each in TARGETS),
        allow_abbrev=False,
    )
    parser.add_argument(
        "target", choices=[each.name for each in TARGETS], metavar="TARGET", help="see below"
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="its name, if there are several")
    parser.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="where the files are; here"
    )
    parser.add_argument("--flavour", help="of targets that have several")
    parser.add_argument(
        "--gpu", action="store_true", help="ask for a GPU, whatever the module says"
    )
    parser.add_argument("--image", metavar="REF", help="the image, in the place of the module's")
    parser.add_argument(
        "--types", metavar="URL", help="where templates of TOSCA import their types from"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--force", action="store_true", help="replace files that differ")
    action.add_argument(
        "--check", action="store_true", help="judge the files that are there, and write none"
    )
    action.add_argument("--stdout", action="store_true", help="show the files, and write none")
    return parser


def _export(target: Target, flavour: str | None, given: argparse.Namespace) -> int:
    options = ExportOptions(gpu=given.gpu, image=given.image, flavour=flavour, types=given.types)
    # What the author's code prints is none of the files.
    with contextlib.redirect_stdout(sys.stderr):
        module = open_module(given.model)
    deployment = plan(module, options)
    if given.check:
        verdict = check(target, deployment, given.output)
        for line in (*verdict.notes, *verdict.faults):
            _tell(line)
        return EXIT_FAILED if verdict.faults else 0
    files = target.write(deployment)
    if given.stdout:
        shown = (f"# {name}\n{text}" if len(files) > 1 else text for name, text in files.items())
        return _show(text.encode() for text in shown)
    written = write_files(files, given.output, force=given.force)
    home = module.folder
    if target.is_for_its_folder and home is not None and given.output.resolve() != home.resolve():
        _tell(f"{target.name} builds in the folder of the module, {home}; write there (--output).")
    return _show(os.fsencode(path) + b"\n" for path in written)


def _show(texts: Iterable[bytes]) -> int:
    """Write what files hold and are called as it is, whatever the terminal's encoding."""
    try:
        sys.stdout.buffer.writelines(texts)
        sys.stdout.flush()
    except OSError as exc:
        abandon(sys.stdout)
        # Where whoever was to read it is gone, there is nothing to tell.
        if not isinstance(exc, BrokenPipeError):
            _tell(f"standard output cannot be written: {exc.strerror or exc}.")
        return EXIT_FAILED
    return 0


def _tell(text: str) -> None:
    print(f"deepaas export: {text}", file=sys.stderr)
