# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""For probes."""

from dataclasses import asdict

from aiohttp import web

from deepaas.api.keys import SERVICE
from deepaas.api.v2.responses import json_response
from deepaas.service.health import ModelHealth, Readiness


async def live(request: web.Request) -> web.Response:
    """Answer that the server answers."""
    return json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 if every model can predict, else 503; the body says what is missing."""
    return _answer(await request.app[SERVICE].health.readiness())


async def model_ready(request: web.Request) -> web.Response:
    """Answer 200 if one model can predict, else 503; the body says why."""
    return _answer(await request.app[SERVICE].health.of_model(request.match_info["model"]))


def _answer(found: Readiness | ModelHealth) -> web.Response:
    body = {"status": "ready" if found.is_ready else "not ready", **asdict(found)}
    return json_response(body, status=200 if found.is_ready else 503)
