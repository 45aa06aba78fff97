# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What Alien4Cloud would refuse in an archive, and what nobody should unpack.

The rules are Alien4Cloud's (``ToscaArchiveParser``, ``ToscaMetaMapping``); the limits keep an
archive of a stranger from filling memory or disk.
"""

import lzma
import re
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Final

from deepaas.alien4cloud.archives import MAX_ARCHIVE_BYTES, META_FILE, NAMES, VERSION
from deepaas.alien4cloud.from_alien import from_alien
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import MAX_BYTES, Document, parse_document
from deepaas.tosca.validation import TemplateFault, validate

_MAX_FILES: Final = 2000
_MAX_UNPACKED_BYTES: Final = 4 * MAX_ARCHIVE_BYTES
_ENDINGS: Final = (".yml", ".yaml")
_DEFINITIONS: Final = re.compile(r"alien_dsl_\d+_\d+_\d+|tosca_simple_yaml_1_\d+(_\d+)?")
_ENCRYPTED: Final = 0x1
#: What zipfile raises, and the decompressors that it uses.
_UNREADABLE: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(NotImplementedError, EOFError, UnicodeDecodeError),
)


def validate_topology(document: Document, folder: Path | None) -> tuple[TemplateFault, ...]:
    """Check a template, or a topology of Alien4Cloud as what the orchestrator gets of it."""
    version = document.data.get("tosca_definitions_version") if _is_table(document) else None
    if isinstance(version, str) and version.startswith("alien_dsl_"):
        try:
            # Where things stand has not changed, but for the names of requirements and nodes.
            translated = from_alien(document).data
            # What it imports itself is what must be known.
            translated["imports"] = document.data.get("imports") or translated["imports"]
            document = Document(document.name, translated, document.lines)
        except InvalidDocument as exc:
            place, _, text = exc.message.partition(": ")
            return (TemplateFault(place, text),)
    return validate(document, folder)


def check_archive(path: Path) -> tuple[str, ...]:
    """Return what is wrong with an archive, one sentence each; nothing where it can be imported."""
    try:
        size = path.stat().st_size
        if size > MAX_ARCHIVE_BYTES:
            return (f"{path}: it has {size} bytes; Alien4Cloud takes {MAX_ARCHIVE_BYTES}.",)
        with zipfile.ZipFile(path) as archive:
            return _check(archive, str(path))
    except OSError as exc:
        return (f"{path}: {exc.strerror or exc}.",)
    except _UNREADABLE as exc:
        return (f"{path}: this is no zip that can be read: {exc}.",)
    except InvalidDocument as exc:
        return (exc.message,)


def _check(archive: zipfile.ZipFile, name: str) -> tuple[str, ...]:
    faults = [f"{name}: {text}" for text in _unsafe(archive)]
    if faults:
        return tuple(faults)
    files = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    roots = sorted(each for each in files if "/" not in each and each.endswith(_ENDINGS))
    entry = _entry(archive, files, roots, name)
    document = _document(archive, files[entry], f"{name}!{entry}")
    faults = _metadata_faults(document, files)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(archive, files, Path(folder))
        where = (Path(folder) / entry).parent
        faults += [str(each) for each in validate_topology(document, where)]
    return tuple(faults)


def _unsafe(archive: zipfile.ZipFile) -> list[str]:
    """Say which members nobody should unpack; their names are shown as Python writes them."""
    members = archive.infolist()
    if len(members) > _MAX_FILES:
        return [f"it has {len(members)} files; {_MAX_FILES} are read at most."]
    if sum(info.file_size for info in members) > _MAX_UNPACKED_BYTES:
        return [f"unpacked it has more than {_MAX_UNPACKED_BYTES} bytes."]
    faults, seen = [], set()
    for info in members:
        # The name as it stands in the file: zipfile ends one at a zero byte.
        shown, path = info.orig_filename, PurePosixPath(info.orig_filename)
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\:\x00]", shown):
            faults.append(f"the name {shown!r} leads out of the archive.")
        elif not info.is_dir() and stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            faults.append(f"{shown!r} is a link or a device.")
        elif info.flag_bits & _ENCRYPTED:
            faults.append(f"{shown!r} is encrypted.")
        elif path in seen:
            faults.append(f"{shown!r} is there twice.")
        seen.add(path)
    return faults


def _entry(
    archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], roots: list[str], name: str
) -> str:
    """Return the file that Alien4Cloud begins with."""
    if META_FILE in files:
        meta = _document(archive, files[META_FILE], f"{name}!{META_FILE}")
        entry = meta.table().get("Entry-Definitions")
        if not isinstance(entry, str):
            raise InvalidDocument(f"{meta.place()}: Entry-Definitions is missing.")
        if entry not in files:
            place = meta.place("Entry-Definitions")
            raise InvalidDocument(
                f"{place}: Entry-Definitions names {entry!r}, which is not there."
            )
        return entry
    if len(roots) != 1:
        raise InvalidDocument(
            f"{name}: there is no {META_FILE}, and {len(roots)} files of YAML at the root: Alien"
            " only supports archives with a single root definition."
        )
    return roots[0]


def _document(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Document:
    return parse_document(_content(archive, info), name)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # What its size says may be a lie.
    with archive.open(info) as file:
        return file.read(MAX_BYTES + 1)


def _unpack(archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """Write the files of YAML, whose names have been looked through, for what imports them."""
    for path, info in files.items():
        if path.endswith(_ENDINGS):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_content(archive, info))


def _metadata_faults(document: Document, files: dict[str, Any]) -> list[str]:
    """Say what the entry of an archive must have, so that the catalogue can name it."""
    table = document.table()
    faults = []
    version = table.get("tosca_definitions_version")
    if not isinstance(version, str) or not _DEFINITIONS.fullmatch(version):
        place = document.place("tosca_definitions_version")
        faults.append(
            f"{place}: Alien4Cloud does not know the tosca_definitions_version {version!r}."
        )
    metadata = table.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    for key in NAMES:
        value = metadata.get(key)
        if not isinstance(value, str) or not value.strip():
            faults.append(
                f"{document.place('metadata', key)}: metadata.{key} is no text: {value!r}."
            )
    version = metadata.get("template_version")
    if isinstance(version, str) and version.strip() and not VERSION.fullmatch(version):
        place = document.place("metadata", "template_version")
        faults.append(f"{place}: template_version is {version!r}; it must be as 1.0.0.")
    icon = metadata.get("icon")
    if icon is not None and str(icon).lstrip("/") not in files:
        faults.append(f"{document.place('metadata', 'icon')}: the archive has no icon {icon!r}.")
    return faults


def _is_table(document: Document) -> bool:
    return isinstance(document.data, dict)
