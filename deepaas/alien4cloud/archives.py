# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Archives (CSAR) as Alien4Cloud imports them: the same bytes for the same content.

An archive has one file of YAML at its root, for Alien4Cloud, and ``TOSCA-Metadata/TOSCA.meta``,
which tosca-parser wants besides (TOSCA Simple Profile in YAML 1.0, section 6.2).
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from deepaas.alien4cloud.to_alien import archives_for, to_alien
from deepaas.alien4cloud.translation import nodes_of
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, write_document

META_FILE: Final = "TOSCA-Metadata/TOSCA.meta"
#: What Alien4Cloud takes at most (``upload.max_archive_size``).
MAX_ARCHIVE_BYTES: Final = 52_428_800
#: As the images of DEEP had them.
DEFAULT_VERSION: Final = "4.0.1"
DEFAULT_AUTHOR: Final = "DEEP team"
#: What the metadata of a template must have, so that the catalogue can name it.
NAMES: Final = ("template_name", "template_version", "template_author")
VERSION: Final = re.compile(r"\d+(\.\d+)*([-.][A-Za-z0-9_.-]+)?", re.ASCII)
_DEFAULT_DESCRIPTION: Final = "DEEP template"
#: The earliest that a zip can say; nothing of the machine that packs goes into an archive.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3


class Packed(NamedTuple):
    """An archive, and what is to be said of it."""

    content: bytes
    warnings: tuple[str, ...]


def topology_archive(
    document: Document,
    stem: str,
    *,
    icon: Path | None = None,
    author: str | None = None,
    version: str | None = None,
) -> Packed:
    """Pack a template of the orchestrator, or a topology that Alien4Cloud wrote.

    Args:
        document: The template.
        stem: Its file's name without the ending; the template's name where it has none.
        icon: A picture for the catalogue. The template's own one is not fetched.
        author: Who made it; what the template says, where ``None``.
        version: Of the template; likewise.

    Raises:
        InvalidDocument: The template cannot be packed, or the picture cannot be read.
    """
    nodes_of(document)
    if not isinstance(document.table().get("metadata"), dict | None):
        raise InvalidDocument(f"{document.place('metadata')}: metadata must be a mapping.")
    data, told = _for_alien(document)
    given = {"template_author": author, "template_version": version}
    metadata = {
        "template_name": stem,
        "template_version": DEFAULT_VERSION,
        "template_author": DEFAULT_AUTHOR,
        **{key: value for key, value in (data.get("metadata") or {}).items() if value is not None},
        **{key: value for key, value in given.items() if value is not None},
    }
    _settle_names(document, metadata)
    files: dict[str, bytes] = {}
    _set_icon(document, metadata, icon, files, told)
    head = {
        "tosca_definitions_version": data["tosca_definitions_version"],
        "metadata": metadata,
        "description": data.get("description") or _DEFAULT_DESCRIPTION,
    }
    return Packed(packed(f"{stem}.yml", {**head, **_without(data, head)}, files), tuple(told))


def _settle_names(document: Document, metadata: dict[str, Any]) -> None:
    """Make texts of what the catalogue calls a template, and refuse what it would not take."""
    for key in NAMES:
        # A version that is written as 1.0 is read as a number.
        value = metadata[key] = str(metadata[key])
        if not value.strip() or (key == "template_version" and not VERSION.fullmatch(value)):
            raise InvalidDocument(
                f"{document.place('metadata', key)}: {key} is {value!r}; it must be"
                f" {'as 1.0.0' if key == 'template_version' else 'a text'}."
            )


def _for_alien(document: Document) -> tuple[dict[str, Any], list[str]]:
    """Return what Alien4Cloud reads, and what is to be said of it."""
    before = document.table()
    version = before.get("tosca_definitions_version")
    if isinstance(version, str) and version.startswith("alien_dsl_"):
        return dict(before), []
    translated = to_alien(document)
    # The version stays, and with it the form of imports that Alien4Cloud reads in it.
    imports = [{name: number} for name, number in archives_for(document)]
    data = {**translated.data, "tosca_definitions_version": version, "imports": imports}
    return data, list(translated.warnings)


def packed(
    root: str, data: Mapping[str, Any], files: Mapping[str, bytes], comment: str = ""
) -> bytes:
    """Return the bytes of an archive.

    Args:
        root: Name of the file at its root.
        data: What that file says; its metadata have the template's name and author.
        files: Others, by their paths in the archive.
        comment: The head of the root file.

    Raises:
        InvalidDocument: It is larger than Alien4Cloud takes.
    """
    metadata = data["metadata"]
    meta = {
        "TOSCA-Meta-File-Version": 1.0,
        "CSAR-Version": 1.1,
        "Name": metadata["template_name"],
        "Created-By": metadata["template_author"],
        "Entry-Definitions": root,
    }
    content = {
        META_FILE: write_document(meta).encode(),
        root: write_document(dict(data), comment).encode(),
        **files,
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(content):
            info = zipfile.ZipInfo(path, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = _UNIX, _MODE
            archive.writestr(info, content[path])
    made = target.getvalue()
    if len(made) > MAX_ARCHIVE_BYTES:
        raise InvalidDocument(
            f"{root}: the archive has {len(made)} bytes; Alien4Cloud takes {MAX_ARCHIVE_BYTES}."
        )
    return made


def read_picture(path: Path) -> bytes:
    """Return the bytes of a picture.

    Raises:
        InvalidDocument: It cannot be read, or is larger than an archive may be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_ARCHIVE_BYTES + 1)
    except OSError as exc:
        raise InvalidDocument(f"{path}: {exc.strerror or exc}.") from exc
    if len(content) > MAX_ARCHIVE_BYTES:
        raise InvalidDocument(f"{path}: it has more than {MAX_ARCHIVE_BYTES} bytes.")
    return content


def _set_icon(
    document: Document,
    metadata: dict[str, Any],
    icon: Path | None,
    files: dict[str, bytes],
    warnings: list[str],
) -> None:
    if icon is not None:
        files[f"images/{icon.name}"] = read_picture(icon)
        metadata["icon"] = f"images/{icon.name}"
    elif "icon" in metadata:
        place = document.place("metadata", "icon")
        warnings.append(
            f"{place}: the icon {metadata.pop('icon')!r} is left out: nothing is fetched; give the"
            " picture with --icon."
        )


def _without(data: dict[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}
