# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an existing code base says of itself; its code is read and never run."""

import ast
import configparser
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepaas.errors import ConfigurationError
from deepaas.model.discovery import GROUP

#: The group of version 1, whose models are not served.
GROUP_V1 = "deepaas.model"
#: Stands among the groups for a table that only Poetry reads.
_POETRY = "tool.poetry"
#: Of text that is no such file, and of values of another type than they have to be.
_UNREADABLE = (OSError, ValueError, SyntaxError, configparser.Error, TypeError, AttributeError)


@dataclass(frozen=True)
class Base:
    """A folder with code, as its project file describes it."""

    folder: Path
    #: The project files that are there, the one that counts first.
    projects: tuple[str, ...] = ()
    name: str | None = None
    summary: str | None = None
    author: str | None = None
    licence: str | None = None
    #: The first entry point that names a model, ``package.module`` or ``package.module:object``.
    model: str | None = None
    #: Whether there is one of version 1.
    has_version_1: bool = False
    #: Whether its ``pyproject.toml`` is one of Poetry's own kind, without a table ``project``.
    has_poetry: bool = False

    def has(self, *patterns: str) -> Path | None:
        """Return the first file or folder of the base that matches one of the patterns."""
        for pattern in patterns:
            if found := next(iter(sorted(self.folder.glob(pattern))), None):
                return found
        return None


def read_base(folder: Path) -> Base:
    """Look at a folder.

    Raises:
        ConfigurationError: It is no folder, or a project file of it cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"'{folder}' is no folder; there is nothing to adopt.")
    projects = [name for name in _READERS if (folder / name).is_file()]
    said: dict[str, str] = {}
    groups: set[str] = set()
    silent = set()
    for name in projects:
        try:
            found, points = _READERS[name]((folder / name).read_text("utf-8"))
        except _UNREADABLE as exc:
            raise ConfigurationError(f"'{folder / name}' cannot be read: {exc}") from exc
        groups.update(points)
        # What follows in brackets is for pip.
        found["model"] = str(points.get(GROUP, "")).partition("[")[0].strip()
        texts = {key: value for key, value in found.items() if value and isinstance(value, str)}
        said = {**texts, **said}
        if not texts:
            silent.add(name)  # it only says how to build, as many a pyproject.toml beside setup.cfg
    return Base(
        folder,
        tuple(sorted(projects, key=silent.__contains__)),
        **said,
        has_version_1=GROUP_V1 in groups,
        has_poetry=_POETRY in groups,
    )


#: What a project file says, and the first entry point of each of its groups.
_Said = tuple[dict[str, Any], dict[str, str]]


def _read_pyproject(text: str) -> _Said:
    document = tomllib.loads(text)
    poetry = document.get("tool", {}).get("poetry")
    if poetry is not None and "project" not in document:
        return _read_poetry(poetry)
    project = document.get("project", {})
    licence = project.get("license")
    authors = [each.get("name") or each.get("email") for each in project.get("authors", ())]
    groups = _first_of_each(project.get("entry-points", {}))
    said = {
        "name": project.get("name"),
        "summary": project.get("description"),
        "author": ", ".join(each for each in authors if each),
        "licence": licence.get("text") if isinstance(licence, dict) else licence,
    }
    return said, groups


def _first_of_each(groups: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {group: next(iter(points.values())) for group, points in groups.items() if points}


def _read_poetry(project: Mapping[str, Any]) -> _Said:
    """Return what Poetry's own table has: https://python-poetry.org/docs/pyproject/."""
    authors = [each.partition("<")[0].strip() or each for each in project.get("authors", ())]
    groups = _first_of_each(project.get("plugins", {}))
    said = {
        "name": project.get("name"),
        "summary": project.get("description"),
        "author": ", ".join(authors),
        "licence": project.get("license"),
    }
    return said, {**groups, _POETRY: ""}


def _read_setup_cfg(text: str) -> _Said:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    metadata = dict(parser["metadata"]) if parser.has_section("metadata") else {}
    groups: dict[str, str] = {}
    # PBR has its own name for the section.
    for section in ("options.entry_points", "entry_points"):
        if parser.has_section(section):
            groups |= {group: _first(lines) for group, lines in parser[section].items()}
    said = {
        "name": metadata.get("name"),
        "summary": metadata.get("summary") or metadata.get("description"),
        "author": metadata.get("author"),
        "licence": metadata.get("license"),
    }
    return said, {group: value for group, value in groups.items() if value}


def _read_setup_py(text: str) -> _Said:
    """Return what a call of ``setup`` has as plain values."""
    keywords: dict[str, Any] = {}
    for call in _calls(ast.parse(text)):
        for each in call.keywords:
            try:
                keywords[each.arg or ""] = ast.literal_eval(each.value)
            except ValueError:
                continue  # computed when it is run
    points = keywords.get("entry_points")
    groups = points if isinstance(points, Mapping) else {}
    said = {
        "name": keywords.get("name"),
        "summary": keywords.get("description"),
        "author": keywords.get("author"),
        "licence": keywords.get("license"),
    }
    lines = {
        group: _first(value if isinstance(value, str) else "\n".join(value))
        for group, value in groups.items()
    }
    return said, {group: value for group, value in lines.items() if value}


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "setup":
            yield node


def _first(lines: str) -> str:
    """Return the value of the first entry point of a group."""
    point = next(filter(None, map(str.strip, lines.splitlines())), "")
    return point.partition("=")[2].strip()


_READERS: Mapping[str, Callable[[str], _Said]] = {
    "pyproject.toml": _read_pyproject,
    "setup.cfg": _read_setup_cfg,
    "setup.py": _read_setup_py,
}
