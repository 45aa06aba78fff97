# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predict."""

from aiohttp import web

from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.prefer import HEADER, read_preferences
from deepaas.api.v2.queued import accept
from deepaas.api.v2.responses import send
from deepaas.api.v2.streaming import wanted_stream


async def predict(request: web.Request) -> web.StreamResponse:
    """Answer a prediction, or say where its answer will be: one handler for all models."""
    if HEADER in request.headers:
        preferences = read_preferences(request.headers.getall(HEADER))
        if preferences.is_async:
            return await accept(request, preferences)
    incoming = await receive(request)
    prediction = await request.app[SERVICE].predictions.predict(
        request.match_info["model"],
        incoming,
        request_id=request[REQUEST_ID],
        principal=request[PRINCIPAL].name,
        stream=wanted_stream(", ".join(request.headers.getall("Accept", ()))),
    )
    return await send(request, prediction)
