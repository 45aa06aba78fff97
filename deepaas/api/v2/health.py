# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""For probes."""

from dataclasses import asdict

from aiohttp import web

from deepaas.api.keys import SERVICE
from deepaas.api.v2.responses import json_response


async def live(request: web.Request) -> web.Response:
    """Answer that the server answers."""
    return json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 if every model can predict, else 503; the body says what is missing."""
    readiness = request.app[SERVICE].health.readiness()
    body = {"status": "ready" if readiness.is_ready else "not ready", **asdict(readiness)}
    return json_response(body, status=200 if readiness.is_ready else 503)
