# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A topology of Alien4Cloud as a template of the INDIGO PaaS orchestrator.

The rules are those of the orchestrator's plugin for Alien4Cloud (indigo-dc/alien4cloud-deep,
``BuilderService``); they have numbers in ``doc/source/howto/alien4cloud.rst``.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepaas.alien4cloud.translation import (
    KEPT,
    ORCHESTRATOR_VERSION,
    Kept,
    Translation,
    nodes_of,
    put_back,
    read_kept,
    rename_nodes,
)
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, write_document
from deepaas.tosca.imports import INDIGO_TYPES_URL


@dataclass(frozen=True, slots=True)
class Deployment:
    """What Alien4Cloud calls the deployment of a topology; goes into the template's metadata."""

    topology_id: str
    id: str
    paas_id: str
    orchestrator_id: str
    orchestrator_deployment_id: str
    location_ids: tuple[str, ...]
    version_id: str

    def metadata(self) -> dict[str, str]:
        """Return the entries of the metadata."""
        return {
            "a4c_deployment_topology_id": self.topology_id,
            "a4c_deployment_id": self.id,
            "a4c_deployment_paas_id": self.paas_id,
            "a4c_deployment_orchestrator_id": self.orchestrator_id,
            "a4c_deployment_orchestrator_deployment_id": self.orchestrator_deployment_id,
            "a4c_deployment_location_ids": ",".join(self.location_ids),
            "a4c_deployment_version_id": self.version_id,
        }


def from_alien(
    document: Document, *, deployment: Deployment | None = None, types_url: str | None = None
) -> Translation:
    """Translate a topology.

    Args:
        document: The topology; it stays as it is.
        deployment: Added to the metadata, where there is one.
        types_url: Of the types to import. Without, those that :func:`to_alien` found, or INDIGO's.

    Raises:
        InvalidDocument: It is no topology; the message begins with file and line.
    """
    nodes_of(document)
    kept = read_kept(document)
    before = copy.deepcopy(document.table())
    before.pop("tosca_definitions_version", None)
    # R1: the version is one that the orchestrator knows, and stands first.
    data = {"tosca_definitions_version": ORCHESTRATOR_VERSION, **before}
    topology = data.get("topology_template")
    warnings: list[str] = []
    if topology is not None:
        _translate_topology(document, topology, warnings)
    # The plugin writes an empty description as nothing.
    if data.get("description") == "":
        data["description"] = None
    _set_metadata(document, data, deployment)
    # R4: one import.
    data["imports"] = [{"indigo_custom_types": types_url or INDIGO_TYPES_URL}]
    _restore(data, kept, warnings, keep_imports=types_url is not None)
    return Translation(data, tuple(warnings))


def request_body(
    template: Mapping[str, Any], parameters: Mapping[str, Any], callback: str | None
) -> dict[str, Any]:
    """Return what creates a deployment at the orchestrator (R9).

    Args:
        template: Of :func:`from_alien`.
        parameters: Values of its inputs.
        callback: Address that the orchestrator tells of changes, if any.
    """
    body = {"template": write_document(dict(template)), "parameters": dict(parameters)}
    return body if callback is None else {**body, "callback": callback}


def _translate_topology(document: Document, topology: dict[str, Any], warnings: list[str]) -> None:
    # R2: the orchestrator makes its own.
    if topology.pop("workflows", None) is not None:
        place = document.place("topology_template", "workflows")
        warnings.append(f"{place}: workflows are left out: the orchestrator runs its own.")
    for name, body in (topology.get("node_templates") or {}).items():
        # R5: where the editor shows it.
        body.pop("metadata", None)
        # R6, at the first level alone.
        if "properties" in body:
            given = body["properties"] or {}
            body["properties"] = {key: each for key, each in given.items() if each is not None}
            if not body["properties"]:
                del body["properties"]
        if isinstance(body.get("requirements"), list):
            where = document.place("topology_template", "node_templates", name, "requirements")
            body["requirements"] = [_requirement(each, where) for each in body["requirements"]]


def _requirement(item: Any, where: str) -> Any:
    """R7: a requirement has the name that its type gives it, as a name may repeat there."""
    if not isinstance(item, dict):
        raise InvalidDocument(f"{where}: a requirement is a name with a node, and not {item!r}.")
    renamed = {}
    for name, body in item.items():
        if isinstance(body, dict) and "type_requirement" in body:
            own = body["type_requirement"]
            if not isinstance(own, str):
                raise InvalidDocument(f"{where}: type_requirement is a name, and not {own!r}.")
            renamed[own] = {key: value for key, value in body.items() if key != "type_requirement"}
        else:
            renamed[name] = body
    return renamed


def _set_metadata(document: Document, data: dict[str, Any], deployment: Deployment | None) -> None:
    metadata = data.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise InvalidDocument(f"{document.place('metadata')}: metadata must be a mapping.")
    metadata.pop(KEPT, None)
    # R3: what is there stays.
    metadata.update({} if deployment is None else deployment.metadata())
    if metadata:
        data["metadata"] = metadata
    else:
        data.pop("metadata", None)


def _restore(data: dict[str, Any], kept: Kept, warnings: list[str], *, keep_imports: bool) -> None:
    """Put back what the topology kept; what has been removed meanwhile stays removed."""
    if not kept.has_imports and not keep_imports:
        del data["imports"]
    for path, value in kept.parts:
        if keep_imports and path == ["imports"]:
            continue
        if not put_back(data, path, value):
            shown = ".".join(str(step) for step in path)
            warnings.append(f"{shown} was kept and has no place any more; it is left out.")
    if kept.node_names:
        topology = data.get("topology_template") or {}
        rename_nodes(topology, lambda name: kept.node_names.get(name, name))
