# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas init``: a new package for a model."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from deepaas.errors import DeepaasError
from deepaas.scaffold.facts import LICENCES, Facts
from deepaas.scaffold.names import names_of
from deepaas.scaffold.package import new_files
from deepaas.scaffold.writing import add_files, require_empty

EXIT_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Write a package and return the exit status."""
    options = _parser().parse_args(argv)
    try:
        _begin(options)
    except DeepaasError as exc:
        print(f"deepaas init: {exc.message}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _begin(options: argparse.Namespace) -> None:
    facts = Facts(
        names_of(options.name),
        title=options.title or options.name,
        summary=options.summary or "Tells the kind of a leaf from its length and width.",
        author=options.author or getpass.getuser(),
        licence=options.licence,
    )
    folder = Path(options.folder or options.name)
    require_empty(folder)
    add_files(folder, new_files(facts))
    print(f"{folder} has a package that serves, trains and passes its tests. Next:")
    for line in (
        f"cd {folder}",
        "pip install -e '.[test]'",
        "pytest",
        f"deepaas-run --model-name {facts.names.distribution}",
    ):
        print(f"  {line}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deepaas init", description="Write a new package for a model.", allow_abbrev=False
    )
    parser.add_argument("name", metavar="NAME", help="of the package and of the model")
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="new or empty; by default it is named NAME"
    )
    parser.add_argument("--title", help="one line that catalogues show; by default NAME")
    parser.add_argument("--summary", help="one sentence")
    parser.add_argument("--author", help="by default the name of who runs this")
    parser.add_argument("--licence", choices=LICENCES, default=LICENCES[0])
    return parser
