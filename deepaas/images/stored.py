# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The configuration of an image, from wherever its parts are; layers are never read.

OCI image specification 1.1: an index or a manifest leads to the configuration, a part is named by
its digest, and what has another one is refused. An archive of ``docker save`` has its own
``manifest.json``.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from deepaas.errors import ConfigurationError

MAX_BYTES: Final = 8 * 1024 * 1024
#: Indices in indices.
_DEEPEST: Final = 4
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_PLATFORM: Final = ("linux", "amd64")


class Parts(Protocol):
    """Where the parts of one image are."""

    def read(self, digest: str, *, is_manifest: bool) -> bytes:
        """Return a part, unchecked.

        Raises:
            ConfigurationError: There is none.
            RequestFailed: A registry does not give it.
        """
        ...


class _Files(Protocol):
    def get(self, name: str) -> bytes | None: ...


def read_config(parts: Parts, head: bytes) -> dict[str, Any]:
    """Follow an index or a manifest to the configuration for linux/amd64.

    Raises:
        ConfigurationError: A part is missing, changed or none of an image.
    """
    document = parse(head)
    for _ in range(_DEEPEST):
        if isinstance(config := document.get("config"), dict):
            return parse(_checked(parts, config, is_manifest=False))
        document = parse(_checked(parts, _chosen(document), is_manifest=True))
    raise ConfigurationError("The image's index leads to indices only.")


def open_stored(path: Path) -> dict[str, Any]:
    """Return the configuration of an image in a folder or an archive.

    Raises:
        ConfigurationError: It cannot be read, or holds no image.
    """
    try:
        if path.is_dir():
            return _read(_Folder(path), path)
        with tarfile.open(path) as archive:
            return _read(_Archive(archive), path)
    except (OSError, tarfile.TarError, EOFError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigurationError(f"'{path}' cannot be read as an image: {reason}.") from exc


def parse(data: bytes) -> dict[str, Any]:
    """Parse a part that must be a JSON object.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"A part of the image is no JSON: {exc}.") from exc
    if not isinstance(document, dict):
        raise ConfigurationError("A part of the image is no JSON object.")
    return document


def require_digest(data: bytes, digest: str) -> bytes:
    """Return the data, if it has this digest.

    Raises:
        ConfigurationError: It has not.
    """
    found = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if found != digest:
        raise ConfigurationError(f"A part of the image is not {digest} but {found}.")
    return data


def _read(files: _Files, path: Path) -> dict[str, Any]:
    if (head := files.get("index.json")) is not None:
        return read_config(_Blobs(files), head)
    listing = files.get("manifest.json")
    try:
        name = json.loads(listing or b"")[0]["Config"]
        data = files.get(name)
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise ConfigurationError(
            f"'{path}' holds no image: neither index.json of OCI nor manifest.json of Docker."
        ) from exc
    if data is None:
        raise ConfigurationError(f"'{path}' lacks {name!r}, the configuration of its image.")
    if found := re.search(r"[0-9a-f]{64}", name):
        require_digest(data, f"sha256:{found[0]}")
    return parse(data)


def _chosen(index: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the descriptor of an index that is for us; one that names no platform may be."""
    manifests = index.get("manifests")
    found = [
        each for each in manifests or () if isinstance(manifests, list) and isinstance(each, dict)
    ]
    for each in found:
        said = each.get("platform")
        if not isinstance(said, dict) or (said.get("os"), said.get("architecture")) == _PLATFORM:
            return each
    raise ConfigurationError("The image is not there for linux/amd64; build it for that too.")


def _checked(parts: Parts, descriptor: Mapping[str, Any], *, is_manifest: bool) -> bytes:
    digest = str(descriptor.get("digest"))
    if not _DIGEST.fullmatch(digest):
        raise ConfigurationError(f"A part of the image has the digest {digest!r}; sha256 is read.")
    return require_digest(parts.read(digest, is_manifest=is_manifest), digest)


class _Blobs:
    """Parts by the names that the OCI image layout gives them."""

    def __init__(self, files: _Files) -> None:
        self._files = files

    def read(self, digest: str, *, is_manifest: bool) -> bytes:
        data = self._files.get(f"blobs/{digest.replace(':', '/')}")
        if data is None:
            raise ConfigurationError(f"The image lacks its part {digest}.")
        return data


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        path = self._folder / name
        # Names of manifest.json come from the image.
        if not path.resolve().is_relative_to(self._folder.resolve()) or not path.is_file():
            return None
        with path.open("rb") as file:
            return _limited(file.read(MAX_BYTES + 1), name)


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._members = {each.name.removeprefix("./"): each for each in archive if each.isfile()}
        self._archive = archive

    def get(self, name: str) -> bytes | None:
        member = self._members.get(name)
        file = None if member is None else self._archive.extractfile(member)
        return None if file is None else _limited(file.read(MAX_BYTES + 1), name)


def _limited(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{name!r} of the image has more than {MAX_BYTES} bytes.")
    return data
