# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predict."""

from aiohttp import web

from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.v2.responses import send
from deepaas.api.v2.streaming import wanted_stream


async def predict(request: web.Request) -> web.StreamResponse:
    """Answer a prediction: one handler for all models."""
    incoming = await receive(request)
    prediction = await request.app[SERVICE].predictions.predict(
        request.match_info["model"],
        incoming,
        request_id=request[REQUEST_ID],
        principal=request[PRINCIPAL].name,
        stream=wanted_stream(", ".join(request.headers.getall("Accept", ()))),
    )
    return await send(request, prediction)
