# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Deployments and what belongs to them, in the shapes of the contract."""

import math
import uuid as uuids
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from deepaas.orchestrator.local.functions import host_of
from deepaas.orchestrator.local.records import COMPLETE, Deployment, Status
from deepaas.orchestrator.local.requests import PageRequest

#: Whose every deployment is: the orchestrator of a laptop knows one user.
OWNER: Final = {"issuer": "http://localhost/", "subject": "local"}
_PROVIDER: Final = "local"
_STATES: Final = {
    Status.CREATE_IN_PROGRESS: "CREATING",
    Status.CREATE_COMPLETE: "STARTED",
    Status.UPDATE_IN_PROGRESS: "CONFIGURING",
    Status.UPDATE_COMPLETE: "STARTED",
    Status.DELETE_IN_PROGRESS: "DELETING",
    Status.DELETE_COMPLETE: "STOPPED",
}


def error(status: int, message: str | None) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"code": status, "title": HTTPStatus(status).phrase, "message": message}


def deployment_view(deployment: Deployment, base: str | None) -> dict[str, Any]:
    """Return a deployment.

    Args:
        deployment: What is shown.
        base: The address of the orchestrator, for links; ``None`` for what has none: a callback.
    """
    is_working = deployment.status in COMPLETE or deployment.status == Status.DELETE_IN_PROGRESS
    own = f"{base}/deployments/{deployment.uuid}"
    links = [_link("self", own), _link("resources", f"{own}/resources")]
    links += [_link("template", f"{own}/template")]
    return {
        "uuid": deployment.uuid,
        "creationTime": _time(deployment.created),
        "updateTime": _time(deployment.updated),
        "physicalId": None,
        "status": deployment.status,
        "statusReason": deployment.reason,
        "task": "DEPLOYER" if is_working else "NONE",
        "outputs": dict(deployment.outputs),
        "callback": deployment.callback,
        "userGroup": deployment.user_group,
        "cloudProviderName": _PROVIDER,
        "cloudProviderEndpoint": None,
        "createdBy": OWNER,
        "links": [] if base is None else links,
    }


def resources_of(deployment: Deployment, nodes: dict[str, dict[str, Any]], base: str) -> list[Any]:
    """Return a resource for every node of a deployment's template."""
    return [_resource(deployment, nodes, name, base) for name in nodes]


def _resource(
    deployment: Deployment, nodes: dict[str, dict[str, Any]], name: str, base: str
) -> dict[str, Any]:
    number = _resource_id(deployment, name)
    pids = [str(each.pid) for each in deployment.processes if each.node == name]
    own = f"{base}/deployments/{deployment.uuid}/resources/{number}"
    return {
        "uuid": number,
        "creationTime": _time(deployment.created),
        "updateTime": _time(deployment.updated),
        "physicalId": pids[0] if pids else None,
        "state": _STATES.get(deployment.status, "ERROR"),
        "toscaNodeType": str(nodes[name].get("type")),
        "toscaNodeName": name,
        "requiredBy": [
            _resource_id(deployment, other) for other in nodes if host_of(nodes, other) == name
        ],
        "metadata": {},
        "links": [_link("self", own)],
    }


def _resource_id(deployment: Deployment, node: str) -> str:
    """Return the same id for the same node at every look."""
    return str(uuids.uuid5(uuids.UUID(deployment.uuid), node))


def page_view(
    content: Sequence[Any], total: int, page: PageRequest, url: str, query: dict[str, str]
) -> dict[str, Any]:
    """Return a page, with links to those around it.

    Args:
        content: What the page shows.
        total: How much there is on all pages.
        page: Which page it is.
        url: Of the list, without a query.
        query: What was asked for beside the page.
    """
    pages = math.ceil(total / page.size)

    def link(rel: str, number: int) -> dict[str, str]:
        there = {**query, "page": str(number), "size": str(page.size)}
        return _link(rel, f"{url}?{urlencode(there)}")

    links = [link("self", page.number)]
    if pages > 1:
        links += [link("first", 0)]
        links += [link("prev", page.number - 1)] if page.number > 0 else []
        links += [link("next", page.number + 1)] if page.number + 1 < pages else []
        links += [link("last", pages - 1)]
    return {
        "content": list(content),
        "links": links,
        "page": {
            "size": page.size,
            "totalElements": total,
            "totalPages": pages,
            "number": page.number,
        },
    }


def _link(rel: str, href: str) -> dict[str, str]:
    return {"rel": rel, "href": href}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M%z")
