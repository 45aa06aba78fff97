# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The versions of a model: what its trainings made, and which of it is served."""

from typing import Any

from aiohttp import web

from deepaas.api import version_parameters
from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, SERVICE, SETTINGS
from deepaas.api.prefer import read_preferences
from deepaas.api.v2.responses import json_response
from deepaas.model.arguments import ArgumentParser
from deepaas.service.ownership import is_told, sees_all
from deepaas.service.versions import ShownVersion
from deepaas.store.versions import ModelVersion, VersionState

_HIDDEN = "The version could not be served; the log of the service says why."


def _version(request: web.Request, shown: ShownVersion) -> dict[str, Any]:
    version = shown.version
    settings = request.app[SETTINGS]
    hides = settings.hide_model_errors and version.reason is not None
    job = _told(request, version.model, version.job, shown.owner)
    evaluation = _evaluation(request, shown)
    links = []
    path = f"{settings.base_path}/v2/models/{version.model}/jobs/"
    if job is not None:
        links.append({"rel": "job", "href": path + job})
    if evaluation is not None and evaluation["job"] is not None:
        links.append({"rel": "evaluation", "href": path + evaluation["job"]})
    return {
        "version": version.number,
        "state": version.state,
        "served": version.state is VersionState.SERVED,
        "job": job,
        "promoted": None if version.promoted is None else version.promoted.isoformat(),
        "promoted_by": version.promoted_by if _may_know_who(request, version) else None,
        "reason": _HIDDEN if hides else version.reason,
        "metrics": shown.metrics,
        "evaluation": evaluation,
        "links": links,
    }


def _may_know_who(request: web.Request, version: ModelVersion) -> bool:
    """Tell whether a caller may learn who promoted a version: it may be a person's name."""
    principal = request[PRINCIPAL]
    return version.promoted_by == principal.name or sees_all(principal, version.model)


def _told(request: web.Request, model: str, job: str | None, owner: str | None) -> str | None:
    """Return the id of a job to who is told it."""
    return job if is_told(request[PRINCIPAL], model, owner) else None


def _evaluation(request: web.Request, shown: ShownVersion) -> dict[str, Any] | None:
    found = shown.evaluation
    if found is None:
        return None
    return {
        "job": _told(request, shown.version.model, found.job, found.owner),
        "finished": found.finished.isoformat(),
        "metrics": found.metrics,
    }


def _answer(request: web.Request, shown: ShownVersion) -> web.Response:
    """Answer 202 while the version is a candidate."""
    is_candidate = shown.version.state is VersionState.CANDIDATE
    response = json_response(_version(request, shown), status=202 if is_candidate else 200)
    if is_candidate:
        path = f"/v2/models/{shown.version.model}/versions/"
        response.headers["Location"] = request.app[SETTINGS].base_path + path
    return response


async def _parameters(
    request: web.Request, parser: ArgumentParser, *, is_strict: bool = False
) -> dict[str, Any]:
    incoming = await receive(request)
    try:
        if is_strict:
            version_parameters.require_known(incoming.given, has_body=request.body_exists)
        return parser.parse(incoming.given)
    finally:
        incoming.release()


async def list_all(request: web.Request) -> web.Response:
    """List the versions, newest first."""
    found = await request.app[SERVICE].versions.list(request.match_info["model"])
    return json_response({"versions": [_version(request, shown) for shown in found]})


async def promote(request: web.Request) -> web.Response:
    """Serve what a training has made."""
    parameters = await _parameters(request, version_parameters.promotion())
    shown = await request.app[SERVICE].versions.promote(
        request.match_info["model"],
        request.match_info["job"],
        principal=request[PRINCIPAL],
        waits=not read_preferences([parameters["prefer"]]).is_async,
    )
    return _answer(request, shown)


async def rollback(request: web.Request) -> web.Response:
    """Serve a version that is there: the one before, or the one that is named."""
    parameters = await _parameters(request, version_parameters.rollback(), is_strict=True)
    shown = await request.app[SERVICE].versions.rollback(
        request.match_info["model"],
        parameters["version"],
        principal=request[PRINCIPAL],
        waits=not read_preferences([parameters["prefer"]]).is_async,
    )
    return _answer(request, shown)
