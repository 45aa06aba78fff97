# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a module says of itself in its files and its package, as the service shows it."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from deepaas.errors import ConfigurationError
from deepaas.model.jsonform import json_safe
from deepaas.model.metadata import ModuleMetadata, places_of, read_metadata
from deepaas.model.package import Package, package_of
from deepaas.records import ModelSource

logger = logging.getLogger(__name__)


class Published(NamedTuple):
    """What is shown of a module's metadata file, or why nothing is."""

    #: Made of what JSON has; no path in it is one of this machine.
    document: Mapping[str, Any] | None = None
    #: Of a file that is there and cannot be used; names no path.
    problem: str | None = None


def publish(source: ModelSource) -> Published:
    """Read the metadata file of a model that may be imported here; blocks, and never raises.

    A model is served whatever its file is like.
    """
    path = None
    try:
        path = places_of(source).metadata()
        if path is None:
            return Published()
        return Published(json_safe(_shown(read_metadata(path), package_of(source))))
    except (ConfigurationError, OSError, ValueError) as exc:
        logger.warning(
            "The metadata file of model %s cannot be used: %s",
            *(source.name, exc),
            extra={"action": "metadata_file_unusable", "model": source.name},
        )
        name = "file" if path is None else f"file {path.name!r}"
        return Published(
            problem=f"The model's metadata {name} cannot be used; the log of the service says why."
        )


def _shown(metadata: ModuleMetadata, package: Package) -> dict[str, Any]:
    """Return what both kinds of file say, by one name, and the file as it is."""
    return {
        "file": metadata.path.name,
        "schema_version": metadata.version,
        "title": metadata.title,
        "summary": metadata.summary,
        "description": metadata.description,
        "license": metadata.licence or package.licence,
        "keywords": list(metadata.keywords),
        "links": metadata.links,
        "package": _package(package) if package.is_installed else None,
        "document": metadata.document,
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "summary": package.summary,
        "license": package.licence,
        "authors": list(package.authors),
    }
