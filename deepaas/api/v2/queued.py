# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predictions that are answered later: accepted with 202, their results asked for as a job's."""

import os

from aiohttp import web

from deepaas.api.errors import response_of, told
from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.parameters import read_key
from deepaas.api.prefer import APPLIED, Preferences
from deepaas.api.v2.jobshape import path_of, shape_of
from deepaas.api.v2.ranges import send_file
from deepaas.api.v2.responses import headers_of, json_response
from deepaas.api.v2.streaming import wanted_stream
from deepaas.errors import Conflict

#: What a model makes of a client's input is not for a browser to run, when a link leads there.
_AS_IT_IS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


async def accept(request: web.Request, preferences: Preferences) -> web.StreamResponse:
    """Accept a prediction, and say where its answer will be; or answer, if it comes in time."""
    key = read_key(request)
    incoming = await receive(request)
    model = request.match_info["model"]
    queue = request.app[SERVICE].queue
    job = await queue.accept(
        model,
        incoming,
        principal=request[PRINCIPAL],
        request_id=request[REQUEST_ID],
        stream=wanted_stream(", ".join(request.headers.getall("Accept", ()))),
        key=key,
    )
    applied = {APPLIED: preferences.applied}
    if preferences.wait_s is not None and await queue.wait(model, job.id, preferences.wait_s):
        try:
            return await send_result(request, model, job.id, applied)
        except Conflict:
            pass  # it has none: its shape says why
    view = await request.app[SERVICE].history.view(model, job.id, request[PRINCIPAL])
    response = json_response(shape_of(request, view), status=202)
    response.headers.update({"Location": path_of(request, job), **applied})
    return response


async def send_result(
    request: web.Request, model: str, job_id: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Answer as the direct call would have been answered.

    Args:
        request: Asks for it.
        model: The model.
        job_id: A prediction that has ended.
        headers: Further ones.

    Raises:
        Conflict: It has no answer.
    """
    kept = await request.app[SERVICE].queue.result(model, job_id, request[PRINCIPAL])
    more = {**_AS_IT_IS, **(headers or {})}
    if kept.prediction is None or kept.prediction.fd is None:
        assert kept.error is not None
        response = response_of(told(request, kept.error, kept.request_id))
        response.headers.pop("Retry-After", None)  # it will be the same then
        response.headers.update(more)
        return response
    fd = kept.prediction.fd
    try:
        return await send_file(request, fd, headers={**headers_of(kept.prediction), **more})
    finally:
        os.close(fd)
