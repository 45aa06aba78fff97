# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Projects with one defect each; ``«`` ends a line that is to be found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from deepaas.lint import Finding, find_faults, read_project

PYPROJECT = """\
[project]
name = "leaves"
version = "1.0"
license = "Apache-2.0"
dependencies = ["deepaas>=3"]
[project.entry-points."deepaas.v2.model"]
leaves = "leaves.api"
"""
DOCKERFILE = """\
FROM python:3.12-slim
COPY . /srv
HEALTHCHECK CMD ["true"]
USER 10001
CMD ["deepaas-run", "--listen-port=5000"]
"""
#: A module without a fault.
CLEAN = {"LICENSE": "Apache", "pyproject.toml": PYPROJECT, ".dockerignore": ".git\n"}
MARK = "«"


@dataclass(frozen=True)
class Defect:
    """A file that has one, in a project that has no other."""

    rule: str
    #: What is seen in the tools of others.
    about: str
    file: str
    text: str
    #: Further files; a file of the clean project is left out by ``None``.
    beside: Mapping[str, str | None] | None = None

    @property
    def lines(self) -> list[int]:
        """The lines that are marked; the first one where none is."""
        lines = dedent(self.text).split("\n")
        return [i for i, line in enumerate(lines, 1) if line.endswith(MARK)] or [1]

    def write(self, folder: Path) -> None:
        files = {**CLEAN, **(self.beside or {}), self.file: dedent(self.text).replace(MARK, "")}
        write(folder, files)


def write(folder: Path, files: Mapping[str, str | None]) -> None:
    """Write the files of a project."""
    for name, text in files.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")


def found_in(folder: Path) -> list[Finding]:
    """Look at a folder with all rules."""
    return find_faults(read_project(folder))
