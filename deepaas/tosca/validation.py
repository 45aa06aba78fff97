# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The check of a template, by tosca-parser and without a network. Needs the extra ``tools``."""

import copy
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, parse_document, read_document
from deepaas.tosca.imports import types_of

#: tosca-parser collects what it finds in a class, for the whole process.
_PARSER: Final = threading.Lock()
_NAMED: Final = re.compile(r'"([^"]+)"')
_INSTANCES: Final = ("min_instances", "default_instances", "max_instances")
#: Stand in many places; a message that names one names what it belongs to as well.
_KEYWORDS: Final = {"properties", "capabilities", "requirements", "attributes", *_INSTANCES}
_PARTS: Final = ("node_templates", "inputs", "outputs", "policies", "groups")


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """What is wrong with a template."""

    #: ``file:line``, as near as it is known.
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def validate_file(path: Path) -> tuple[TemplateFault, ...]:
    """Check a template; what it imports may lie beside it.

    Returns:
        What is wrong, nothing for a valid template.
    """
    try:
        document = read_document(path)
    except InvalidDocument as exc:
        return (_of(exc),)
    return validate(document, path.parent)


def validate_text(text: str | bytes, name: str = "template") -> tuple[TemplateFault, ...]:
    """Check a template that came from elsewhere, and so imports no files of this machine."""
    try:
        document = parse_document(text, name)
    except InvalidDocument as exc:
        return (_of(exc),)
    return validate(document, None)


def validate(document: Document, folder: Path | None) -> tuple[TemplateFault, ...]:
    """Check a template.

    Args:
        document: The template.
        folder: Where files that it imports lie; ``None`` reads none.
    """
    try:
        template = copy.deepcopy(document.table())
        if not isinstance(template.get("topology_template", {}), dict):
            place = document.place("topology_template")
            return (TemplateFault(place, "topology_template is no mapping."),)
        # The types stand in the template itself then, so that nothing is left to be fetched.
        template.update(types_of(document, folder))
    except InvalidDocument as exc:
        return (_of(exc),)
    template.pop("imports", None)
    _settle_scaling(template.get("topology_template", {}))
    return tuple(_located(document, text) for text in _parse(template))


def _parse(template: dict[str, Any]) -> list[str]:
    from toscaparser.common.exception import ExceptionCollector, TOSCAException
    from toscaparser.tosca_template import ToscaTemplate

    with _PARSER, _quiet():
        try:
            ToscaTemplate(yaml_dict_tpl=template)
        except TOSCAException:
            return [str(exc) for exc in ExceptionCollector.getExceptions()] or ["It is not valid."]
        except Exception as exc:  # noqa: BLE001 - it reads parts before it looks at their form
            said = [str(each) for each in ExceptionCollector.getExceptions()]
            return [*said, f"It cannot be understood: {type(exc).__name__}: {exc}."]
        finally:
            ExceptionCollector.stop()
            ExceptionCollector.clear()
    return []


def _settle_scaling(topology: dict[str, Any]) -> None:
    """Give tosca-parser three numbers of instances, for it compares them and none may be missing.

    Functions stand there too, and whatever a type has a default for may be left out.
    """
    nodes = topology.get("node_templates")
    for node in nodes.values() if isinstance(nodes, dict) else ():
        capabilities = node.get("capabilities") if isinstance(node, dict) else None
        body = capabilities.get("scalable") if isinstance(capabilities, dict) else None
        numbers = body.get("properties") if isinstance(body, dict) else None
        if isinstance(numbers, dict):
            known = [numbers[name] for name in _INSTANCES if isinstance(numbers.get(name), int)]
            least, most = min(known, default=1), max(known, default=1)
            for name, stands_in in zip(_INSTANCES, (least, least, most), strict=True):
                if numbers.get(name) is None or isinstance(numbers[name], dict):
                    numbers[name] = stands_in


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what tosca-parser logs of each template to itself; its faults are returned."""
    logger = logging.getLogger("tosca")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _located(document: Document, text: str) -> TemplateFault:
    """Find the line of what a message names, since tosca-parser knows none."""
    names = [name for name in _NAMED.findall(text) if name not in _KEYWORDS]
    topology = document.table().get("topology_template") or {}
    for name in names:
        for part in _PARTS:
            entries = topology.get(part)
            if isinstance(entries, dict) and name in entries:
                where = _deepest(document, ("topology_template", part, name), names)
                return TemplateFault(where, text)
    for path in document.lines:
        if path and (path[-1] in names or document.at(*path) in names):
            return TemplateFault(document.place(*path), text)
    return TemplateFault(document.place(), text)


def _deepest(document: Document, path: tuple[Any, ...], names: list[str]) -> str:
    """Return the place of another thing named by the message within the first one."""
    for inner in document.lines:
        if len(inner) > len(path) and inner[: len(path)] == path and inner[-1] in names:
            return document.place(*inner)
    return document.place(*path)


def _of(exc: InvalidDocument) -> TemplateFault:
    found = re.match(r"(.*?:\d+): (.*)", exc.message, re.S)
    place, text = found.groups() if found else exc.message.split(": ", 1)
    return TemplateFault(place, text)
