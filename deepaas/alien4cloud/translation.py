# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What both directions of the translation share: their outcome, and what a topology keeps.

A topology of Alien4Cloud has no place for some of what a template says. Such parts travel in one
entry of its metadata, as a text that Alien4Cloud hands on, so that the way back restores them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, parse_document, write_document

ALIEN_VERSION: Final = "alien_dsl_2_0_0"
ORCHESTRATOR_VERSION: Final = "tosca_simple_yaml_1_0"
KEPT: Final = "deepaas_kept"
_NAMING_FUNCTIONS: Final = ("get_attribute", "get_property", "get_operation_output", "get_artifact")


@dataclass(frozen=True, slots=True)
class Translation:
    """A topology in the other form."""

    data: dict[str, Any]
    #: What it says otherwise than before, or what the other side cannot do with it.
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Kept:
    """What a topology of Alien4Cloud keeps of the template that it was made of."""

    #: Name there to name in the template.
    node_names: dict[str, str] = field(default_factory=dict)
    #: Parts to be put back, each a path and a value; the names of nodes are those there.
    parts: list[tuple[list[Any], Any]] = field(default_factory=list)
    #: Whether it imports anything, if only nothing.
    has_imports: bool = True

    def as_text(self) -> str:
        """Return the value of the entry :data:`KEPT`, empty where nothing is kept."""
        if not self.node_names and not self.parts and self.has_imports:
            return ""
        parts = [list(part) for part in self.parts]
        said = {"node_names": self.node_names, "parts": parts, "imports": self.has_imports}
        # Not JSON, whose keys are texts only.
        return write_document(said)


def read_kept(document: Document) -> Kept:
    """Return what a topology keeps.

    Raises:
        InvalidDocument: The entry has been changed, and says nothing any more.
    """
    metadata = document.table().get("metadata")
    text = metadata.get(KEPT) if isinstance(metadata, dict) else None
    if text is None:
        return Kept()
    try:
        said = parse_document(text, KEPT).table()
        names = {str(name): str(value) for name, value in said["node_names"].items()}
        parts = [(_steps(path), value) for path, value in said["parts"]]
        has_imports = bool(said["imports"])
    except (TypeError, ValueError, KeyError, AttributeError, InvalidDocument) as exc:
        raise InvalidDocument(
            f"{document.place('metadata', KEPT)}: {KEPT} is not as `deepaas tosca translate` wrote"
            " it; remove it, and what it kept is lost."
        ) from exc
    return Kept(names, parts, has_imports)


def _steps(path: Any) -> list[Any]:
    # A key may be any value that has no parts.
    if not path or any(isinstance(step, dict | list) for step in path):
        raise ValueError(path)
    return list(path)


def put_back(data: dict[str, Any], path: list[Any], value: Any) -> bool:
    """Set a part where what is around it is still there; return whether it was."""
    around: Any = data
    for step in path[:-1]:
        if not _has(around, step):
            return False
        around = around[step]
    if not isinstance(around, dict) and not _has(around, path[-1]):
        return False
    around[path[-1]] = value
    return True


def _has(around: Any, step: Any) -> bool:
    if isinstance(around, dict):
        return step in around
    return isinstance(around, list) and step in range(len(around))


def nodes_of(document: Document) -> dict[str, dict[str, Any]]:
    """Return the node templates; the values are mappings.

    Raises:
        InvalidDocument: One of the things around them is none.
    """
    found: Any = document.table()
    path: list[str] = []
    for name in ("topology_template", "node_templates"):
        path.append(name)
        found = {} if found.get(name) is None else found[name]
        if not isinstance(found, dict):
            raise InvalidDocument(f"{document.place(*path)}: {name} must be a mapping.")
    for name, body in found.items():
        if not isinstance(body, dict) or not isinstance(name, str):
            raise InvalidDocument(f"{document.place(*path, name)}: {name!r} must be a mapping.")
        for part, kind in (("properties", dict), ("requirements", list)):
            if not isinstance(body.get(part), kind | None):
                where = document.place(*path, name, part)
                raise InvalidDocument(f"{where}: the {part} of {name!r} have the wrong form.")
    nodes: dict[str, dict[str, Any]] = found
    return nodes


def rename_nodes(topology: dict[str, Any], new_name: Callable[[str], str]) -> None:
    """Give nodes other names, wherever a template can name a node; changes the topology."""
    nodes = topology.get("node_templates") or {}
    for body in nodes.values():
        for requirement in _items(body.get("requirements")):
            _rename_targets(requirement, new_name)
    if isinstance(topology.get("node_templates"), dict):
        topology["node_templates"] = {new_name(name): body for name, body in nodes.items()}
    for policy in _items(topology.get("policies")):
        _rename_list(policy, "targets", new_name)
    groups = topology.get("groups")
    if isinstance(groups, dict):
        _rename_list(groups, "members", new_name)
        _rename_list(groups, "targets", new_name)
    _rename_mappings(topology.get("substitution_mappings"), new_name)
    for function, arguments in _functions(topology):
        if function in _NAMING_FUNCTIONS and isinstance(arguments[0], str):
            arguments[0] = new_name(arguments[0])


def _items(value: Any) -> list[dict[str, Any]]:
    """Return the mappings of a list, or a mapping as a list of one."""
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def _rename_targets(requirement: dict[str, Any], new_name: Callable[[str], str]) -> None:
    for key, value in requirement.items():
        if isinstance(value, str):
            requirement[key] = new_name(value)
        elif isinstance(value, dict) and isinstance(value.get("node"), str):
            value["node"] = new_name(value["node"])


def _rename_list(bodies: dict[str, Any], key: str, new_name: Callable[[str], str]) -> None:
    for body in bodies.values():
        if isinstance(body, dict) and isinstance(body.get(key), list):
            body[key] = [new_name(each) if isinstance(each, str) else each for each in body[key]]


def _rename_mappings(mappings: Any, new_name: Callable[[str], str]) -> None:
    if not isinstance(mappings, dict):
        return
    for key in ("capabilities", "requirements"):
        for where in _items(mappings.get(key)):
            for value in where.values():
                if isinstance(value, list) and value and isinstance(value[0], str):
                    value[0] = new_name(value[0])


def functions_in(value: Any) -> set[str]:
    """Return the names of the functions that a value calls."""
    return {name for name, _ in _functions(value)} | {
        name for name in ("concat", "token", "get_input") if _calls(value, name)
    }


def _calls(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return set(value) == {name} or any(_calls(each, name) for each in value.values())
    return isinstance(value, list) and any(_calls(each, name) for each in value)


def _functions(value: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the calls of functions that name nodes, with the lists of their arguments."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _NAMING_FUNCTIONS and len(value) == 1 and isinstance(inner, list) and inner:
                yield name, inner
            yield from _functions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _functions(inner)
