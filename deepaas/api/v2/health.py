# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""For probes."""

from dataclasses import asdict, replace

from aiohttp import web

from deepaas.api.keys import AUTHENTICATOR, SERVICE, SETTINGS
from deepaas.api.v2.responses import json_response
from deepaas.auth import NoSignIn
from deepaas.service.health import ModelHealth, Readiness

_HIDDEN = "The model cannot be called at the moment; the log of the service says why."
_HIDDEN_VERSION = "The chosen version cannot be served; the log of the service says why."


async def live(request: web.Request) -> web.Response:
    """Answer that the server answers."""
    return json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 if every model can predict, else 503; the body says what is missing."""
    found = await request.app[SERVICE].health.readiness()
    if _hides_reasons(request):
        found = replace(found, models=tuple(_without_reason(model) for model in found.models))
    return _answer(found)


async def model_ready(request: web.Request) -> web.Response:
    """Answer 200 if one model can predict, else 503; the body says why."""
    found = await request.app[SERVICE].health.of_model(request.match_info["model"])
    return _answer(_without_reason(found) if _hides_reasons(request) else found)


def _answer(found: Readiness | ModelHealth) -> web.Response:
    body = {"status": "ready" if found.is_ready else "not ready", **asdict(found)}
    return json_response(body, status=200 if found.is_ready else 503)


def _hides_reasons(request: web.Request) -> bool:
    """Tell whether reasons are for the log alone.

    A probe is answered whoever asks, and where callers sign in, that may be somebody who may not.
    """
    is_for_everybody = isinstance(request.app[AUTHENTICATOR], NoSignIn)
    return request.app[SETTINGS].hide_model_errors or not is_for_everybody


def _without_reason(model: ModelHealth) -> ModelHealth:
    """Hide the reasons: that of a model that does not load is what its exception says."""
    return replace(
        model,
        reason=None if model.reason is None else _HIDDEN,
        version_problem=None if model.version_problem is None else _HIDDEN_VERSION,
    )
