# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The files of a project, read within limits; whatever they hold, reading them does no harm."""

import ast
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from deepaas.lint.dockerfile import Instruction, instructions_of
from deepaas.lint.documents import documents_of, json_document
from deepaas.tosca.documents import Document

MAX_FILE_BYTES: Final = 512 * 1024
MAX_FILES: Final = 5_000
_SKIPPED: Final = {
    *(".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", ".eggs", "node_modules"),
    *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "build", "dist"),
    "site-packages",
}
_DOCKERFILE: Final = re.compile(r"(.*[._-])?(Dockerfile|Containerfile)([._-].*)?")
#: What is about Dockerfiles, or is none of them.
_OTHERS: Final = {".py", ".md", ".rst", ".txt", ".dockerignore"}
_METADATA: Final = {"ai4-metadata.yml", "ai4-metadata.yaml", "ai4-metadata.json", "metadata.json"}


@dataclass(frozen=True)
class Source:
    """A text file."""

    #: Path below the folder, with slashes.
    name: str
    text: str

    @property
    def base(self) -> str:
        """The name without folders."""
        return self.name.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """What the name ends in, in lower case, with its dot; empty where there is none."""
        return os.path.splitext(self.base)[1].lower()

    @cached_property
    def lines(self) -> list[str]:
        """Its lines; the first one is the number 0."""
        return self.text.split("\n")

    def line_at(self, offset: int) -> int:
        """Return the line, from 1, in which a character stands."""
        return self.text.count("\n", 0, offset) + 1

    def line_of(self, word: str) -> int:
        """Return the first line that has this word, 1 where none has."""
        return next((i for i, line in enumerate(self.lines, 1) if word in line), 1)

    @property
    def is_dockerfile(self) -> bool:
        """Whether it says how an image is built."""
        return _DOCKERFILE.fullmatch(self.base) is not None and self.suffix not in _OTHERS

    @property
    def is_yaml(self) -> bool:
        """Whether its name says that it is YAML."""
        return self.suffix in (".yml", ".yaml")

    @property
    def is_metadata(self) -> bool:
        """Whether it is what a module says of itself to catalogues."""
        return self.base in _METADATA

    @cached_property
    def documents(self) -> list[Document]:
        """What it says as YAML or JSON; nothing where it cannot be parsed."""
        if self.suffix == ".json":
            document = json_document(self.text, self.name)
            return [] if document is None else [document]
        return documents_of(self.text, self.name) if self.is_yaml else []

    @cached_property
    def tables(self) -> list[Document]:
        """Those of its documents that are mappings."""
        return [each for each in self.documents if isinstance(each.data, dict)]

    @cached_property
    def instructions(self) -> list[Instruction]:
        """The instructions of a Dockerfile; none for another file."""
        return instructions_of(self.text) if self.is_dockerfile else []

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax of a file of Python, ``None`` where it has none."""
        try:
            with warnings.catch_warnings():
                # What Python says of an author's escapes is nothing for our users.
                warnings.simplefilter("ignore")
                return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass(frozen=True)
class Project:
    """A folder and the text files in it, by name."""

    folder: Path
    sources: tuple[Source, ...]
    #: What was left out although it matters, and why: name of the file, reason.
    unread: tuple[tuple[str, str], ...] = ()
    #: Arguments by importing the model, where that was asked for.
    imported: tuple[str, ...] = field(default=())

    def named(self, *names: str) -> Iterator[Source]:
        """Yield the files with one of these names, in whatever folder."""
        return (each for each in self.sources if each.base in names)

    def at(self, name: str) -> Source | None:
        """Return the file at a path below the folder."""
        return next((each for each in self.sources if each.name == name), None)

    @property
    def dockerfiles(self) -> Iterator[Source]:
        """The files that say how images are built."""
        return (each for each in self.sources if each.is_dockerfile and each.instructions)

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """What ``pyproject.toml`` says; empty where there is none, or none that can be read."""
        source = self.at("pyproject.toml")
        try:
            return {} if source is None else tomllib.loads(source.text)
        except (ValueError, RecursionError):
            return {}


def read_project(folder: Path, imported: tuple[str, ...] = ()) -> Project:
    """Read what is text below a folder; links that lead out of it are not followed."""
    sources: list[Source] = []
    unread: list[tuple[str, str]] = []
    closed: list[OSError] = []
    for number, path in enumerate(_files(folder, closed.append)):
        if number >= MAX_FILES:
            unread.append(
                (".", f"there are more than {MAX_FILES} files, and the rest was not read")
            )
            break
        name = path.relative_to(folder).as_posix()
        try:
            sources.append(Source(name, _read(path)))
        except _Unreadable as exc:
            if path.name in _METADATA or _DOCKERFILE.fullmatch(path.name):
                unread.append((name, str(exc)))
    for failure in closed:
        name = Path(failure.filename).relative_to(folder).as_posix()
        unread.append((name, f"the folder cannot be read: {failure.strerror}"))
    return Project(folder, tuple(sources), tuple(unread), imported)


class _Unreadable(Exception):
    """No text file, or too large a one."""


def _files(folder: Path, failed: Callable[[OSError], object]) -> Iterator[Path]:
    root = folder.resolve()
    for place, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(
            each for each in folders if each not in _SKIPPED and not each.endswith(".egg-info")
        )
        for name in sorted(names):
            path = Path(place, name)
            # A loop of links has no end, and a pipe no end of file.
            if _is_file(path) and path.resolve().is_relative_to(root):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may be listed and not entered; opening it says why
        return True


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise _Unreadable(f"it cannot be read: {exc.strerror or exc}") from exc
    if len(data) > MAX_FILE_BYTES:
        raise _Unreadable(f"it has more than {MAX_FILE_BYTES} bytes")
    if b"\0" in data:
        raise _Unreadable("it is no text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _Unreadable("it is no UTF-8") from exc
    return text.replace("\r\n", "\n")
