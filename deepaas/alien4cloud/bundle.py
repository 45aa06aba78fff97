# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What fills an empty catalogue of Alien4Cloud: archives of types, then those of templates.

The normative types are those of tosca-parser, of the extra ``tools``; the others stand in
``deepaas/tosca/types``.
"""

import importlib.resources
from pathlib import Path
from typing import Any, Final

from deepaas.alien4cloud.archives import packed, read_picture
from deepaas.alien4cloud.to_alien import NORMATIVE_NAME, NORMATIVE_VERSION, TYPES_ARCHIVES
from deepaas.alien4cloud.translation import ORCHESTRATOR_VERSION
from deepaas.tosca.documents import parse_document, read_document
from deepaas.tosca.imports import SECTIONS, TYPES_FOLDER

_NORMATIVE_HEAD: Final = """\
TOSCA Simple Profile in YAML, as defined by tosca-parser (OpenStack).
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
Put together from its TOSCA_definition.yaml; the types are unchanged.
"""
_TYPES_HEAD: Final = """\
Types of INDIGO-DataCloud, DEEP and GRyCAP, those that DEEPaaS is deployed with.
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
Extracted from indigo-dc/tosca-types and grycap/tosca; imports, metadata and icons are adapted.
"""


def type_archives(images: Path | None = None) -> dict[str, bytes]:
    """Return the archives of types, by file name, in the order in which they are to be imported.

    Args:
        images: A folder with pictures of the types, put in as ``images/…``. A type whose picture
            is not there has none.

    Raises:
        InvalidDocument: A picture or the normative types cannot be read.
    """
    pictures = {}
    if images is not None:
        files = sorted(file for file in images.iterdir() if file.is_file())
        pictures = {f"images/{file.name}": read_picture(file) for file in files}
    made = {f"{NORMATIVE_NAME}.zip": _normative()}
    for file, (name, version) in TYPES_ARCHIVES.items():
        made[f"{name}.zip"] = _types(TYPES_FOLDER / file, name, version, pictures)
    return made


def _normative() -> bytes:
    source = importlib.resources.files("toscaparser") / "elements" / "TOSCA_definition.yaml"
    types = parse_document(source.read_bytes(), "TOSCA_definition.yaml").table()
    data = {
        **_head(NORMATIVE_NAME, NORMATIVE_VERSION, "OASIS", "The normative types of TOSCA"),
        **{section: types[section] for section in SECTIONS if section in types},
    }
    return packed(f"{NORMATIVE_NAME}.yaml", data, {}, _NORMATIVE_HEAD)


def _types(file: Path, name: str, version: str, pictures: dict[str, bytes]) -> bytes:
    types = read_document(file, file.name).table()
    for section in SECTIONS:
        for body in types.get(section, {}).values():
            _set_icon(body, pictures)
    data = {
        **_head(name, version, "INDIGO-DataCloud", "Types that DEEPaaS is deployed with"),
        "imports": [{NORMATIVE_NAME: NORMATIVE_VERSION}],
        **{section: types[section] for section in SECTIONS if section in types},
    }
    return packed("custom_types.yaml", data, pictures, _TYPES_HEAD)


def _head(name: str, version: str, author: str, description: str) -> dict[str, Any]:
    return {
        "tosca_definitions_version": ORCHESTRATOR_VERSION,
        "metadata": {
            "template_name": name,
            "template_version": version,
            "template_author": author,
        },
        "description": description,
    }


def _set_icon(body: dict[str, Any], pictures: dict[str, bytes]) -> None:
    """Leave out the icon of a type whose picture the archive has not."""
    metadata = body.get("metadata", {})
    if "icon" in metadata and metadata["icon"].lstrip("/") not in pictures:
        body["metadata"] = {key: value for key, value in metadata.items() if key != "icon"}
