# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module as the companion tools see it: everything that a deployment needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.model.adapter import load_model
from deepaas.model.description import describe
from deepaas.model.discovery import select_sources
from deepaas.model.metadata import ModuleMetadata, Places, places_of, read_metadata
from deepaas.model.package import Package, package_of
from deepaas.project.image import image_of
from deepaas.project.settings import ProjectSettings, read_settings
from deepaas.records import ModelDescription, ModelSource

#: The API, the monitoring of trainings, notebooks: as the existing platforms expect them.
API_PORT, MONITOR_PORT, IDE_PORT = 5000, 6006, 8888
DEFAULT_CPUS, DEFAULT_MEMORY_MB = 1, 4000


@dataclass(frozen=True)
class Resources:
    """What one instance of the service needs."""

    #: Whole; in a file that people have changed, any number.
    cpus: float = DEFAULT_CPUS
    gpus: int = 0
    #: 10⁶ bytes.
    memory_mb: int = DEFAULT_MEMORY_MB
    storage_mb: int | None = None


@dataclass(frozen=True)
class Module:
    """One model with the package that it comes from."""

    source: ModelSource
    description: ModelDescription
    package: Package
    #: The folder of the project, if the code is there to be copied.
    folder: Path | None
    metadata: ModuleMetadata | None
    settings: ProjectSettings
    #: Reference of the image, with a tag.
    image: str
    resources: Resources

    @property
    def name(self) -> str:
        """The model's name, as in URLs."""
        return self.source.name

    @property
    def title(self) -> str:
        """One line for people."""
        return (self.metadata and self.metadata.title) or self.name

    @property
    def summary(self) -> str:
        """One sentence; empty where nobody wrote one."""
        return (self.metadata and self.metadata.summary) or self.package.summary


def open_module(name: str | None = None) -> Module:
    """Import a model and gather what is known of it.

    The author's code runs in this process and may print.

    Args:
        name: As of ``--model-name``: an installed model, ``package.module:object`` or a ``.py``
            file; ``None``: as ``[tool.deepaas]`` of the current folder says, else the one that is
            installed.

    Raises:
        ConfigurationError: There is no such model, or there are several; a file of the project
            cannot be used.
        ModelLoadError: Its code fails.
    """
    chosen = name or read_settings(Path.cwd()).model
    source = _only(select_sources([chosen] if chosen else []))
    return module_of(source, describe(load_model(source)))


def module_of(source: ModelSource, description: ModelDescription) -> Module:
    """Gather what is known of a model that has been loaded."""
    places = places_of(source)
    settings = read_settings(places.project) if places.project else ProjectSettings()
    metadata = _metadata_of(places)
    package = package_of(source)
    return Module(
        source=source,
        description=description,
        package=package,
        folder=places.project,
        metadata=metadata,
        settings=settings,
        image=image_of(source.name, package.version, metadata, settings),
        resources=_resources(metadata, settings),
    )


def _only(sources: Sequence[ModelSource]) -> ModelSource:
    if len(sources) > 1:
        names = ", ".join(source.name for source in sources)
        raise ConfigurationError(f"Several models are installed: {names}. Name one.")
    return sources[0]


def _metadata_of(places: Places) -> ModuleMetadata | None:
    path = places.metadata()
    return None if path is None else read_metadata(path)


def _resources(metadata: ModuleMetadata | None, settings: ProjectSettings) -> Resources:
    """Return what the table says, else what the metadata says, else the defaults."""
    said = {} if metadata is None else metadata.resources

    def amount(own: int | None, key: str) -> int | None:
        value = said.get(key)
        if own is not None or not isinstance(value, int) or isinstance(value, bool) or value < 0:
            return own
        return value

    # A service without a processor or memory is none; metadata often has 0 for "not known".
    return Resources(
        cpus=amount(settings.cpus, "cpu") or DEFAULT_CPUS,
        gpus=amount(settings.gpus, "gpu") or 0,
        memory_mb=amount(settings.memory_mb, "memory_MB") or DEFAULT_MEMORY_MB,
        storage_mb=amount(settings.storage_mb, "storage_MB") or None,
    )
