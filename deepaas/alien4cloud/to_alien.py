# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template of the orchestrator as a topology that Alien4Cloud opens, such that it comes back.

Nobody else translates in this direction. What the rules of :mod:`~deepaas.alien4cloud.from_alien`
would change on the way back is kept, see :mod:`~deepaas.alien4cloud.translation`.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any, Final

from deepaas.alien4cloud.translation import (
    ALIEN_VERSION,
    KEPT,
    ORCHESTRATOR_VERSION,
    Kept,
    Translation,
    functions_in,
    nodes_of,
    rename_nodes,
)
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document
from deepaas.tosca.imports import (
    IM_TYPES_FILE,
    INDIGO_TYPES_FILE,
    INDIGO_TYPES_URL,
    imports_of,
    vendored_file,
)

NORMATIVE_NAME: Final = "normative-types"
NORMATIVE_VERSION: Final = "1.0.0"
#: Names and versions of the archives that `deepaas tosca bundle` makes of types.
TYPES_ARCHIVES: Final = {
    INDIGO_TYPES_FILE: ("indigo_custom_types", "5.0.0"),
    IM_TYPES_FILE: ("grycap_custom_types", "1.0.0"),
}
#: What Alien4Cloud takes for the name of a node.
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_VALUE_FUNCTIONS: Final = {"get_attribute", "get_operation_output", "concat", "token"}


def to_alien(document: Document) -> Translation:
    """Translate a template.

    Args:
        document: The template; it stays as it is.

    Raises:
        InvalidDocument: It is no template, is a topology of Alien4Cloud already, or imports types
            for which Alien4Cloud has no archive; the message begins with file and line.
    """
    data = copy.deepcopy(document.table())
    version = data.pop("tosca_definitions_version", None)
    if not isinstance(version, str) or not version.startswith("tosca_"):
        place = document.place("tosca_definitions_version")
        raise InvalidDocument(
            f"{place}: {version!r} is no version of the orchestrator's templates."
        )
    metadata = data.get("metadata")
    if not isinstance(metadata, dict | None) or KEPT in (metadata or {}):
        raise InvalidDocument(
            f"{document.place('metadata')}: metadata is no mapping without {KEPT}."
        )
    nodes_of(document)
    kept, warnings = Kept(), _losses(document)
    if version != ORCHESTRATOR_VERSION:
        kept.parts.append((["tosca_definitions_version"], version))
    imports = archives_for(document)
    if "imports" not in data:
        kept.has_imports = False
    elif data["imports"] != [{"indigo_custom_types": INDIGO_TYPES_URL}]:
        kept.parts.append((["imports"], data["imports"]))
    if "description" in data and not data["description"]:
        if data["description"] is not None:
            kept.parts.append((["description"], data["description"]))
        data["description"] = ""
    if isinstance(data.get("topology_template"), dict):
        _rename(data["topology_template"], kept, warnings)
        _keep(data["topology_template"], kept)
    _keep_metadata(data, metadata, kept)
    data["imports"] = [f"{name}:{number}" for name, number in imports]
    return Translation({"tosca_definitions_version": ALIEN_VERSION, **data}, tuple(warnings))


def archives_for(document: Document) -> list[tuple[str, str]]:
    """Return the archives of types that Alien4Cloud needs for a template: names and versions.

    Raises:
        InvalidDocument: An import is of none of them.
    """
    found = [(NORMATIVE_NAME, NORMATIVE_VERSION)]
    for each in imports_of(document):
        file = vendored_file(each.name, each.target)
        if file is None:
            raise InvalidDocument(
                f"{each.place}: Alien4Cloud has no archive for the import"
                f" {each.name or each.target!r}; it knows indigo_custom_types and"
                " grycap_custom_types."
            )
        found.append(TYPES_ARCHIVES[file])
    return list(dict.fromkeys(found))


def _keep_metadata(data: dict[str, Any], metadata: dict[str, Any] | None, kept: Kept) -> None:
    if "metadata" in data and not metadata:
        # Empty metadata does not come back by itself.
        kept.parts.append((["metadata"], metadata))
    text = kept.as_text()
    if text:
        data["metadata"] = {**(metadata or {}), KEPT: text}
    elif not metadata:
        data.pop("metadata", None)


def _rename(topology: dict[str, Any], kept: Kept, warnings: list[str]) -> None:
    """Give each node a name that Alien4Cloud takes, and no name twice."""
    nodes = topology.get("node_templates") or {}
    # A name that anything says, if only by mistake, would be taken for the node on the way back.
    taken = set(_texts(topology))
    new_names: dict[str, str] = {}
    for name in nodes:
        if not _NODE_NAME.fullmatch(name):
            base = re.sub(r"[^A-Za-z0-9_]", "_", name) or "node"
            new, number = base, 2
            while new in taken:
                new, number = f"{base}_{number}", number + 1
            taken.add(new)
            new_names[name] = new
            warnings.append(f"The node {name!r} is called {new!r} in Alien4Cloud.")
    if new_names:
        rename_nodes(topology, lambda name: new_names.get(name, name))
        kept.node_names = {new: name for name, new in new_names.items()}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, the names of its parts too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _keep(topology: dict[str, Any], kept: Kept) -> None:
    """Keep what the rules would remove, and give requirements names that do not repeat."""
    path: list[Any] = ["topology_template"]
    if "workflows" in topology:
        kept.parts.append(([*path, "workflows"], topology.pop("workflows")))
    for name, body in (topology.get("node_templates") or {}).items():
        here = [*path, "node_templates", name]
        if "metadata" in body:
            kept.parts.append(([*here, "metadata"], body.pop("metadata")))
        if "properties" in body:
            given = body["properties"]
            stay = {key: value for key, value in (given or {}).items() if value is not None}
            if not stay:
                kept.parts.append(([*here, "properties"], body.pop("properties")))
            else:
                kept.parts += [
                    ([*here, "properties", key], None) for key in given if key not in stay
                ]
                body["properties"] = stay
        if isinstance(body.get("requirements"), list):
            body["requirements"] = _requirements(body["requirements"], here, kept)


def _requirements(items: list[Any], here: list[Any], kept: Kept) -> list[Any]:
    """Return requirements of which Alien4Cloud, which has them in a table, loses none."""
    names: set[str] = set()
    result = []
    for index, item in enumerate(items):
        if not isinstance(item, dict) or len(item) != 1:
            raise InvalidDocument(f"{'.'.join(here)}: the requirement {item!r} is not one name.")
        ((name, body),) = item.items()
        if isinstance(body, dict) and "type_requirement" in body:
            raise InvalidDocument(
                f"{'.'.join(here)}: the requirement {name!r} has a type_requirement, which"
                " Alien4Cloud alone knows."
            )
        own, number = name, 2
        while own in names:
            own, number = f"{name}_{number}", number + 1
        names.add(own)
        if own == name:
            result.append(item)
            continue
        if not isinstance(body, dict):
            kept.parts.append(([*here, "requirements", index, name], body))
            body = {"node": body}
        result.append({own: {"type_requirement": name, **body}})
    return result


def _losses(document: Document) -> list[str]:
    """Say what Alien4Cloud's editor is known to lose or not to show."""
    topology = document.table().get("topology_template") or {}
    lost = []
    outputs = topology.get("outputs")
    for name, body in outputs.items() if isinstance(outputs, dict) else ():
        called = sorted(functions_in(body) & _VALUE_FUNCTIONS)
        if called:
            place = document.place("topology_template", "outputs", name)
            lost.append(
                f"{place}: Alien4Cloud's editor drops the output {name!r}, which calls"
                f" {', '.join(called)}."
            )
    for name, body in nodes_of(document).items():
        where = ("topology_template", "node_templates", name)
        for key, value in (body.get("properties") or {}).items():
            if "get_attribute" in functions_in(value):
                lost.append(
                    f"{document.place(*where, 'properties', key)}: Alien4Cloud does not support"
                    f" get_attribute, of which the property {key!r} of {name!r} is made."
                )
        if body.get("artifacts"):
            place = document.place(*where, "artifacts")
            lost.append(f"{place}: Alien4Cloud's editor cannot change the artifacts of {name!r}.")
    if topology.get("policies"):
        place = document.place("topology_template", "policies")
        lost.append(f"{place}: Alien4Cloud's editor cannot change the properties of policies.")
    return lost
