# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""References of container images, and which one is a module's."""

import re

from deepaas.errors import ConfigurationError
from deepaas.model.metadata import ModuleMetadata
from deepaas.project.settings import ProjectSettings

# https://github.com/distribution/reference: the grammar of a reference. What stands first is a
# registry if it can be no part of a path.
_REFERENCE = re.compile(
    r"(?:(?=[^/]*[.:]|localhost/)(?P<registry>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
# Addresses of pages that metadata has in the place of a reference.
_PAGE = re.compile(r"https?://hub\.docker\.com/(?:r/|repository/docker/)?")


def parse_image(text: str) -> tuple[str, str | None]:
    """Split a reference, or the address of its page, into the name and the tag (or digest).

    Raises:
        ConfigurationError: It is no reference of an image.
    """
    found = _REFERENCE.fullmatch(_PAGE.sub("", text.strip()).rstrip("/"))
    if found is None:
        raise ConfigurationError(
            f"{text!r} is no reference of an image; one is like 'registry.example/group/name:1.0'."
        )
    registry, path = found["registry"], found["path"]
    return f"{registry}/{path}" if registry else path, found["digest"] or found["tag"]


def image_of(
    name: str, version: str, metadata: ModuleMetadata | None, settings: ProjectSettings
) -> str:
    """Return the reference of a module's image, with a tag.

    ``[tool.deepaas]`` decides, then the metadata, then the model's name. A reference without a tag
    gets the version of the package: what is deployed is what was built.

    Raises:
        ConfigurationError: What decides is no reference.
    """
    said = settings.image or (metadata and metadata.docker_image) or _path_of(name)
    image, tag = parse_image(said)
    if tag is None:
        return f"{image}:{_tag_of(version)}"
    return f"{image}{'@' if ':' in tag else ':'}{tag}"


def _path_of(name: str) -> str:
    """Return a name in the alphabet of references."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _tag_of(version: str) -> str:
    # The local part of a version has a plus, which no tag can have.
    return re.sub(r"[^\w.-]", "-", version, flags=re.ASCII)[:128].lstrip(".-") or "0"
