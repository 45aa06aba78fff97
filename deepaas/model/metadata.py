# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a module says of itself in files: ``ai4-metadata.yml``, ``metadata.json``.

The schemas are those of AI4OS (``ai4-apps``, versions 2.0.0 to 2.3.0) and of DEEP (``deep-apps``,
here version 1); here files are read, not judged: what breaks later is ``deepaas lint``'s matter.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deepaas.errors import ConfigurationError
from deepaas.records import ModelSource, SourceKind

#: File names, in the order in which they are looked for.
NAMES = ("ai4-metadata.yml", "ai4-metadata.yaml", "ai4-metadata.json", "metadata.json")
#: No module says more of itself than this.
MAX_BYTES = 1 << 20
#: What the folder of a project has.
PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class ModuleMetadata:
    """The document of one file, and what both kinds of schema say in different words."""

    path: Path
    document: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version of its schema: ``2.3.0``; ``1.0.0`` where it names none."""
        return str(self.document.get("metadata_version") or "1.0.0")

    @property
    def title(self) -> str | None:
        """One line that names the module."""
        return _text(self.document.get("title"))

    @property
    def summary(self) -> str | None:
        """One sentence."""
        return _text(self.document.get("summary"))

    @property
    def description(self) -> str | None:
        """Some paragraphs; version 1 has a list of lines."""
        value = self.document.get("description")
        if isinstance(value, list):
            value = "\n".join(each for each in value if isinstance(each, str))
        return _text(value)

    @property
    def licence(self) -> str | None:
        """The licence as the document names it; since version 2 the package says it."""
        return _text(self.document.get("license"))

    @property
    def keywords(self) -> tuple[str, ...]:
        """What catalogues look for."""
        value = self.document.get("tags", self.document.get("keywords"))
        return tuple(filter(_text, value)) if isinstance(value, list) else ()

    @property
    def links(self) -> Mapping[str, str]:
        """Addresses, by the names of version 2."""
        links, sources = _mapping(self.document, "links"), _mapping(self.document, "sources")
        said = {
            "source_code": sources.get("code"),
            "docker_image": sources.get("docker_registry_repo"),
            "weights": sources.get("pre_trained_weights"),
            "dataset": self.document.get("dataset_url"),
            "citation": self.document.get("cite_url"),
            **links,
        }
        return {name: value for name, value in said.items() if _text(value)}

    @property
    def docker_image(self) -> str | None:
        """The image as the document names it, a reference or the address of a page."""
        return self.links.get("docker_image")

    @property
    def source_code(self) -> str | None:
        """The address of the code."""
        return self.links.get("source_code")

    @property
    def resources(self) -> Mapping[str, Any]:
        """What ``inference`` needs, by the names of the schema (``cpu``, ``memory_MB`` …)."""
        return _mapping(_mapping(self.document, "resources"), "inference")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def read_metadata(path: Path) -> ModuleMetadata:
    """Read one file, as YAML or as JSON by its name.

    Raises:
        ConfigurationError: It cannot be read, or is no mapping.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigurationError(f"'{path}' is larger than {MAX_BYTES} bytes.")
        text = data.decode("utf-8-sig")
        document = json.loads(text) if path.suffix == ".json" else _read_yaml(text)
    except (OSError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"'{path}' cannot be read: {exc}") from exc
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"'{path}' is no mapping of names to values but {type(document).__name__}."
        )
    return ModuleMetadata(path, document)


def _read_yaml(text: str) -> Any:
    # Every worker imports this module, and few models have such a file.
    from deepaas.model.plainyaml import read_yaml

    return read_yaml(text)


@dataclass(frozen=True)
class Places:
    """Where a module's files are."""

    #: The folder of its project, where the code is installed from a checkout or is one.
    project: Path | None = None
    #: Files among those that were installed, by name.
    installed: Mapping[str, Path] = field(default_factory=dict)

    def metadata(self) -> Path | None:
        """Return its metadata file, if there is one."""
        for name in NAMES:
            if self.project is not None and (self.project / name).is_file():
                return self.project / name
            if name in self.installed:
                return self.installed[name]
        return None


def places_of(source: ModelSource) -> Places:
    """Find where the files of a module are, without importing it."""
    return Places(_project_of(source), _installed_of(source))


def find_project(start: Path) -> Path | None:
    """Return the nearest project's folder from ``start`` upward.

    Installed code has none, and none goes beyond its repository.
    """
    for folder in (start, *start.parents):
        if folder.name in _INSTALLED:
            return None
        if any((folder / name).is_file() for name in PROJECT_FILES):
            return folder
        if (folder / ".git").exists():
            return None
    return None


def _project_of(source: ModelSource) -> Path | None:
    file = _file_of(source)
    return None if file is None else find_project(file.parent)


def _file_of(source: ModelSource) -> Path | None:
    if source.kind is SourceKind.FILE:
        return Path(source.value)
    top = source.value.partition(":")[0].partition("[")[0].strip().partition(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    # Neither has a file: a package in pieces, and a module that is built in.
    origin = spec.origin if spec.has_location else None
    places = [origin] if origin else list(spec.submodule_search_locations or ())
    return Path(places[0]).absolute() if places else None


def _installed_of(source: ModelSource) -> dict[str, Path]:
    if source.distribution is None:
        return {}
    try:
        found = distribution(source.distribution)
    except PackageNotFoundError:
        return {}
    files = [
        (file.name, Path(str(found.locate_file(file))))
        # Of several the one in `share`, where data goes, then the nearest to the top.
        for file in sorted(
            found.files or (), key=lambda file: ("share" in file.parts, -len(file.parts))
        )
        # metadata.json of the installation itself is none of the module's.
        if file.name in NAMES and not file.parts[0].endswith((".dist-info", ".egg-info"))
    ]
    return {name: path for name, path in files if path.is_file()}
