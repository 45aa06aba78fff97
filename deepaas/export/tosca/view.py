# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a template says of its deployment when nobody fills in another value."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from deepaas.errors import ConfigurationError, InvalidDocument, InvalidInputs
from deepaas.export.deployment import View
from deepaas.project import Resources
from deepaas.tosca.documents import parse_document
from deepaas.tosca.inputs import declared_inputs, fill_inputs

#: Where the types have the image, each in a place of its own.
_IMAGES = (
    ("artifacts", "image", "file"),
    ("properties", "dockerhub_img"),
    ("interfaces", "Standard", "configure", "inputs", "ai4eosc_model_image"),
)
_HOST = ("capabilities", "host", "properties")


def read_template(name: str, text: str) -> View:
    """Read a template with the defaults of its inputs.

    Raises:
        ConfigurationError: It is no template that can be read.
    """
    nodes = _filled_nodes(name, text)
    try:
        return _view(nodes)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ConfigurationError(
            f"'{name}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _view(nodes: Mapping[str, Any]) -> View:
    environment = _first(nodes, "properties", "environment_variables")
    command = _first(nodes, "properties", "command")
    return View(
        image=next((found for path in _IMAGES if (found := _first(nodes, *path))), None),
        ports=tuple(_ports(nodes)) or None,
        # What has no value here is for whoever deploys.
        environment=environment
        and {key: value for key, value in environment.items() if value is not None},
        resources=_resources(_first(nodes, *_HOST) or {}),
        command=None if command is None else tuple(shlex.split(str(command))),
    )


def _filled_nodes(name: str, text: str) -> Mapping[str, Any]:
    try:
        document = parse_document(text, name)
        topology = document.table().get("topology_template")
        if not isinstance(topology, dict) or not isinstance(topology.get("node_templates"), dict):
            raise InvalidDocument(f"{document.place('topology_template')}: it has no nodes.")
        defaults = {each.name: each.default for each in declared_inputs(document)}
        nodes: Mapping[str, Any] = fill_inputs(topology["node_templates"], defaults)
    except (InvalidDocument, InvalidInputs) as exc:
        raise ConfigurationError(exc.message) from exc
    return nodes


def _first(nodes: Mapping[str, Any], *path: str) -> Any:
    """Return what stands at a path in the first node that has it."""
    return next(_all(nodes, *path), None)


def _all(nodes: Mapping[str, Any], *path: str) -> Iterator[Any]:
    for node in nodes.values():
        value = node
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            yield value


def _ports(nodes: Mapping[str, Any]) -> Iterator[int]:
    for published in _all(nodes, *_HOST, "publish_ports"):
        yield from (each["source"] for each in published)
    for ports in _all(nodes, "capabilities", "endpoint", "properties", "ports"):
        yield from (each["source"] for each in ports.values())


def _resources(host: Mapping[str, Any]) -> Resources:
    disk = host.get("disk_size")
    return Resources(
        cpus=host.get("num_cpus", 0),
        gpus=host.get("num_gpus", 0),
        memory_mb=_megabytes(host.get("mem_size", "0 MB")),
        storage_mb=None if disk is None else _megabytes(disk),
    )


def _megabytes(size: str) -> int:
    from toscaparser.elements.scalarunit import ScalarUnit_Size

    return int(ScalarUnit_Size(size).get_num_from_scalar_unit("MB"))
