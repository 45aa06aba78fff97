# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The licence, documentation that people copy from, and files that could not be looked at."""

import os
import re
from collections.abc import Iterator
from typing import Any, Final

from deepaas.lint.documents import inner
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project

_LICENCE: Final = re.compile(r"(?:licen[cs]es?|copying|unlicense)(?:[.-].*)?", re.I)
_HEADS: Final = ("pyproject.toml", "setup.cfg", "setup.py")
#: A value of JSON, and a key behind it: there should be a comma between them.
_NO_COMMA: Final = re.compile(
    r"\"\w+\"\s*:\s*"
    r"(?:\"[^\"\n]*\"|<[^>\n]*>|-?\d+(?:\.\d+)?|true|false|null)[ \t]*\\?\n?\s*(?=\"\w+\"\s*:)"
)
_DOCUMENTS: Final = {".md", ".rst", ".txt", ".sh"}


@rule("LIC01", "add a file LICENSE: without one nobody may use the module")
def no_licence(project: Project) -> Iterator[Fault]:
    """There is no licence."""
    has_file = any(
        "/" not in each.name and _LICENCE.fullmatch(each.name) for each in project.sources
    )
    if not has_file and not os.path.isdir(project.folder / "LICENSES"):
        yield Fault(_head(project), 1, "no file of the project is its licence")


@rule("LIC02", "write license = … with an SPDX expression")
def undeclared_licence(project: Project) -> Iterator[Fault]:
    """The package names no licence."""
    head = _head(project)
    if head in _HEADS and not _declares(project):
        yield Fault(head, 1, "neither the package nor its metadata names a licence")


@rule("DOC01", "put commas between the members")
def no_comma(project: Project) -> Iterator[Fault]:
    """JSON in the documentation lacks a comma."""
    for source in project.sources:
        for match in _NO_COMMA.finditer(source.text) if source.suffix in _DOCUMENTS else ():
            line = source.line_at(match.start())
            yield Fault(source.name, line, "there is no comma behind this value")


@rule("FIL01", "make it a small text file in UTF-8")
def not_read(project: Project) -> Iterator[Fault]:
    """A file could not be looked at."""
    for name, reason in project.unread:
        yield Fault(name, 1, reason)


def _head(project: Project) -> str:
    return next((name for name in _HEADS if project.at(name) is not None), ".")


def _declares(project: Project) -> bool:
    said: list[Any] = [inner(project.pyproject, "project", "license")]
    for name in ("setup.cfg", "setup.py"):
        source = project.at(name)
        # Among the classifiers too, as was usual.
        said.append(source and re.search(r"^[ \t]*licen[cs]e\s*=|License ::", source.text, re.M))
    classifiers = inner(project.pyproject, "project", "classifiers")
    said += [each for each in classifiers or () if str(each).startswith("License ::")]
    for source in project.named("metadata.json"):
        said += [document.data.get("license") for document in source.tables]
    return any(said)


RULES = (no_licence, undeclared_licence, no_comma, not_read)
