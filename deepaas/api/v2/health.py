# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""For probes."""

from dataclasses import asdict, replace

from aiohttp import web

from deepaas.api.keys import SERVICE, SETTINGS
from deepaas.api.v2.responses import json_response
from deepaas.service.health import Readiness

_HIDDEN = "The model cannot be called at the moment; the log of the service says why."


async def live(request: web.Request) -> web.Response:
    """Answer that the server answers."""
    return json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 if every model can predict, else 503; the body says what is missing."""
    readiness = request.app[SERVICE].health.readiness()
    if request.app[SETTINGS].hide_model_errors:
        readiness = _without_reasons(readiness)
    body = {"status": "ready" if readiness.is_ready else "not ready", **asdict(readiness)}
    return json_response(body, status=200 if readiness.is_ready else 503)


def _without_reasons(readiness: Readiness) -> Readiness:
    """Hide the reasons: that of a model that does not load is what its exception says."""
    models = tuple(
        model if model.reason is None else replace(model, reason=_HIDDEN)
        for model in readiness.models
    )
    return replace(readiness, models=models)
