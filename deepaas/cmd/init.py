# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas init``: a new package for a model, or what an existing code base lacks."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from deepaas.cmd.unbuilt import image_files
from deepaas.errors import ConfigurationError, DeepaasError
from deepaas.scaffold.adopting import Plan, adopt
from deepaas.scaffold.base import read_base
from deepaas.scaffold.facts import LICENCES, Facts
from deepaas.scaffold.names import names_of, require_free
from deepaas.scaffold.package import installed_files, new_files
from deepaas.scaffold.writing import add_files, require_empty

EXIT_FAILED = 1
_SUMMARY = "Tells the kind of a leaf from its length and width."


def main(argv: Sequence[str] | None = None) -> int:
    """Write a package, or complete one, and return the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.adopt is not None and options.folder is not None:
        parser.error("--adopt names the folder; give NAME alone beside it, or nothing")
    if options.adopt is None and options.name is None:
        parser.error("NAME is missing")
    try:
        if options.adopt is None:
            _begin(options)
        else:
            _adopt(options)
    except DeepaasError as exc:
        print(f"deepaas init: {exc.message}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _begin(options: argparse.Namespace) -> None:
    facts = Facts(
        names_of(options.name),
        title=options.name if options.title is None else options.title,
        summary=_SUMMARY if options.summary is None else options.summary,
        author=_author(options),
        licence=options.licence or LICENCES[0],
    )
    require_free(facts.names)
    folder = Path(options.folder or options.name)
    require_empty(folder)
    files = new_files(facts)
    image = image_files(facts.names.distribution, files, installed_files(facts))
    add_files(folder, {**files, **image})
    print(f"{folder}: a package that serves, trains and passes its tests. In this folder:")
    _print_indented(
        "pip install -e '.[test]'",
        "pytest",
        f"deepaas-run --model-name {facts.names.distribution}",
    )


def _adopt(options: argparse.Namespace) -> None:
    base = read_base(Path(options.adopt))
    names = names_of(options.name or base.name or base.folder.resolve().name)
    title = names.distribution if options.title is None else options.title
    facts = Facts(
        names,
        title=title,
        summary=(base.summary or title) if options.summary is None else options.summary,
        author=options.author or base.author or _author(options),
        licence=options.licence or base.licence or "",
    )
    plan = adopt(base, facts)
    add_files(base.folder, plan.files)
    _report(base.folder, plan)


def _author(options: argparse.Namespace) -> str:
    if options.author is not None:
        return str(options.author)
    try:
        return getpass.getuser()
    except (KeyError, OSError) as exc:  # a number that no user has, as in containers
        raise ConfigurationError("This user has no name; say who is the --author.") from exc


def _report(folder: Path, plan: Plan) -> None:
    print(f"{folder}: the model is {plan.model}.")
    _print_under("Added:", *plan.files)
    _print_under("Left as it is:", *plan.kept.values())
    _print_under("For you to do:", *plan.by_hand)
    if plan.is_declared:
        _print_under("In this folder:", "pip install -e .", "deepaas-run")


def _print_under(head: str, *texts: str) -> None:
    if texts:
        print(head)
        _print_indented(*texts)


def _print_indented(*texts: str) -> None:
    for text in texts:
        print("  " + text.replace("\n", "\n    "))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deepaas init",
        usage="%(prog)s NAME [DIR] | --adopt DIR [NAME]",
        description="Write a new package for a model, or add to an existing code base what it"
        " lacks. Nothing that is there is changed.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the package and of the model")
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="new or empty; by default it is called NAME"
    )
    parser.add_argument("--adopt", metavar="DIR", help="the folder of an existing code base")
    parser.add_argument("--title", help="what catalogues show; by default NAME")
    parser.add_argument("--summary", help="one sentence on what the model does")
    parser.add_argument("--author", help="by default the name of the user who runs this")
    parser.add_argument("--licence", choices=LICENCES, help="by default Apache-2.0")
    return parser
