# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The types that a template imports, found without a network.

What INDIGO's and GRyCAP's templates import stands in the folder ``types``, in part: the types that
DEEPaaS is deployed with. Other files are read where they lie beside the template.
"""

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, read_document

TYPES_FOLDER: Final = Path(__file__).parent / "types"
INDIGO_TYPES_FILE: Final = "deepaas_indigo_types.yaml"
IM_TYPES_FILE: Final = "deepaas_im_types.yaml"
INDIGO_TYPES_URL: Final = (
    "https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml"
)
IM_TYPES_URL: Final = "https://raw.githubusercontent.com/grycap/tosca/main/custom_types.yaml"
SECTIONS: Final = tuple(
    f"{kind}_types"
    for kind in (
        *("artifact", "capability", "data", "group"),
        *("interface", "node", "policy", "relationship"),
    )
)
_MAX_FILES: Final = 30
#: What tosca-parser, and Alien4Cloud too, bring with them.
_NORMATIVE: Final = {"normative-types", "tosca-normative-types", "alien-base-types"}
_VENDORED: Final = (
    (INDIGO_TYPES_FILE, {"indigo_custom_types", "indigo-types"}, "indigo-dc/tosca-types/"),
    (IM_TYPES_FILE, {"grycap_custom_types", "ec3_custom_types"}, "grycap/"),
)


class Import(NamedTuple):
    """An entry of ``imports``."""

    #: Empty where it has none.
    name: str
    #: A file, an address, or a version in Alien4Cloud's own form.
    target: str
    place: str


def imports_of(document: Document) -> Iterator[Import]:
    """Yield what a template imports, in each of the forms that TOSCA and Alien4Cloud know.

    Raises:
        InvalidDocument: An entry has none of them.
    """
    entries = document.table().get("imports")
    if entries is None:
        return
    if not isinstance(entries, list):
        raise InvalidDocument(f"{document.place('imports')}: imports must be a list.")
    for index, entry in enumerate(entries):
        place = document.place("imports", index)
        if isinstance(entry, str):
            name, colon, version = entry.partition(":")
            is_named = colon and not version.startswith("//")
            yield Import(name, version, place) if is_named else Import("", entry, place)
            continue
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            yield Import("", entry["file"], place)
            continue
        name, body = next(iter(entry.items())) if isinstance(entry, dict) and entry else ("", None)
        target = body.get("file") if isinstance(body, dict) else body
        if not isinstance(target, str) or len(entry) != 1:
            raise InvalidDocument(
                f"{place}: an import is a file, an address, or one name with either."
            )
        yield Import(str(name), target, place)


def types_of(document: Document, folder: Path | None) -> dict[str, dict[str, Any]]:
    """Return a template's own types and those that it imports, by section and name.

    Own types win, then those imported first. Nothing comes from a network.

    Args:
        document: The template.
        folder: Where files that it imports lie; ``None`` reads none.

    Raises:
        InvalidDocument: An import is not known here, or cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    root = None if folder is None else folder.resolve()
    _add(found, document)
    _collect(document, root, root, found, set())
    return found


def _add(found: dict[str, dict[str, Any]], document: Document) -> None:
    """Add the types of a document; those that are there stay."""
    for section in SECTIONS:
        types = document.table().get(section)
        if not isinstance(types, dict | None):
            raise InvalidDocument(f"{document.place(section)}: {section} must be a mapping.")
        if types:
            found[section] = {**copy.deepcopy(types), **found.get(section, {})}


def _collect(
    document: Document,
    folder: Path | None,
    root: Path | None,
    found: dict[str, dict[str, Any]],
    seen: set[Path],
) -> None:
    for each in imports_of(document):
        own = _own_file(each, folder, root)
        if own is not None:
            _collect_file(each, own, root, found, seen)
        elif (file := vendored_file(each.name, each.target)) is not None:
            _add(found, _vendored(file))
        elif each.name not in _NORMATIVE:
            raise _unknown(each, folder)


def _collect_file(
    each: Import,
    file: Path,
    root: Path | None,
    found: dict[str, dict[str, Any]],
    seen: set[Path],
) -> None:
    if file in seen:
        return
    seen.add(file)
    if len(seen) > _MAX_FILES:
        raise InvalidDocument(f"{each.place}: more than {_MAX_FILES} files are imported.")
    types = read_document(file)
    _add(found, types)
    _collect(types, file.parent, root, found, seen)


def vendored_file(name: str, target: str) -> str | None:
    """Return which file of ``types`` stands for an import, ``None`` if none does."""
    for file, names, part in _VENDORED:
        if name in names or part in target or target.rpartition("/")[2] == file:
            return file
    return None


def _own_file(each: Import, folder: Path | None, root: Path | None) -> Path | None:
    """Return the file beside the template that an import names, if there is one."""
    if folder is None or root is None or "://" in each.target:
        return None
    # A string of the form name:version may as well be a file with a colon; files have no version.
    file = (folder / each.target).resolve()
    # Asked first: whoever wrote the template is not told which other files there are.
    if not file.is_relative_to(root):
        raise InvalidDocument(
            f"{each.place}: {each.target!r} lies outside of the template's folder, from which"
            " alone files are imported."
        )
    return file if file.is_file() else None


def _unknown(each: Import, folder: Path | None) -> InvalidDocument:
    named = f"{each.name}: {each.target}" if each.name else each.target
    remedy = (
        "nothing is fetched; import indigo_custom_types or grycap_custom_types"
        if folder is None
        else "nothing is fetched; put the file beside the template and import it by its name"
    )
    return InvalidDocument(f"{each.place}: the import {named!r} is not known here, and {remedy}.")


@functools.cache
def _vendored(file: str) -> Document:
    return read_document(TYPES_FOLDER / file, file)
