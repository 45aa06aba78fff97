# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``[tool.deepaas]`` of a module's ``pyproject.toml``: what its metadata does not say."""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepaas.errors import ConfigurationError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ProjectSettings:
    """The table, checked. A key is written with dashes: ``memory-mb``."""

    #: Model to deploy, where the package has several.
    model: str | None = None
    #: Reference of the image, with its tag.
    image: str | None = None
    #: Images that the Dockerfile begins from, with their tags.
    base_cpu: str | None = None
    base_gpu: str | None = None
    #: Debian packages that the module needs at run time.
    system_packages: tuple[str, ...] = ()
    #: What a prediction service needs; MB are 10⁶ bytes, as in the metadata.
    cpus: int | None = None
    gpus: int | None = None
    memory_mb: int | None = None
    storage_mb: int | None = None
    #: Plain environment variables of the service, nothing secret.
    environment: Mapping[str, str] = field(default_factory=dict)


def read_settings(project: Path) -> ProjectSettings:
    """Read the table; without a file or a table everything is as it is by default.

    Raises:
        ConfigurationError: The file cannot be read, or a key or a value is wrong.
    """
    path = project / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return ProjectSettings()
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"'{path}' cannot be read: {exc}") from exc
    tool = document.get("tool", {})
    table = tool.get("deepaas", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"tool.deepaas in '{path}' is no table.")
    return _checked(table, path)


def _checked(table: Mapping[str, Any], path: Path) -> ProjectSettings:
    known = {each.name.replace("_", "-"): each.name for each in dataclasses.fields(ProjectSettings)}
    values = {}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(known)}."
            raise ConfigurationError(f"tool.deepaas in '{path}' has an unknown key {key!r}.{hint}")
        try:
            values[known[key]] = _CHECKS.get(known[key], _a_text)(value)
        except ValueError as exc:
            raise ConfigurationError(f"tool.deepaas.{key} in '{path}' is {exc}") from exc
    return ProjectSettings(**values)


def _a_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r}; it has to be a text.")
    return value


def _a_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r}; it has to be a whole number, 0 or more.")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r}; it has to be a list of texts.")
    return tuple(map(_a_text, value))


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ValueError(f"{value!r}; it has to be a table of texts.")
    if wrong := [name for name in value if not _VARIABLE.fullmatch(name)]:
        raise ValueError(f"a table with {wrong[0]!r}, which names no environment variable.")
    if cut := [name for name, each in value.items() if "\0" in each]:
        raise ValueError(f"a table in which {cut[0]!r} holds a NUL, which no variable can.")
    return value


_CHECKS: Mapping[str, Any] = {
    "system_packages": _texts,
    "environment": _environment,
    **dict.fromkeys(("cpus", "gpus", "memory_mb", "storage_mb"), _a_count),
}
