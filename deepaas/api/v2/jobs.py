# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The whole view of the jobs, in JSON."""

import asyncio

from aiohttp import web

from deepaas.api import parameters
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.v2.jobshape import artifact_shape, path_of, shape_of
from deepaas.api.v2.queued import send_result
from deepaas.api.v2.responses import json_response, json_text
from deepaas.auth import Principal
from deepaas.errors import JobNotFound
from deepaas.execution.queued import PREDICT
from deepaas.model.encoding import encode_json
from deepaas.records import JobState
from deepaas.service.history import JobView


def named(request: web.Request) -> tuple[str, str, Principal]:
    """Return the model and the job that a request's path names, and who asks for it."""
    return request.match_info["model"], request.match_info["job"], request[PRINCIPAL]


async def list_all(request: web.Request) -> web.Response:
    """List the jobs, page by page."""
    wanted = parameters.read(request, parameters.jobs())
    states = wanted.get("state")
    page = await request.app[SERVICE].history.page(
        request.match_info["model"],
        request[PRINCIPAL],
        kind=wanted.get("kind"),
        states=None if states is None else [JobState(state) for state in states],
        oldest_first=wanted["order"] == "oldest",
        after=parameters.place_of(wanted["cursor"]) if "cursor" in wanted else None,
        limit=wanted["limit"],
    )

    def shown() -> bytes:
        return encode_json(
            {
                "jobs": [shape_of(request, view) for view in page.views],
                "next": None if page.next is None else parameters.cursor_of(page.next),
            }
        )

    return json_text(await asyncio.to_thread(shown))  # a thousand jobs take a while


async def show(request: web.Request) -> web.Response:
    """Show a job."""
    view = await request.app[SERVICE].history.view(*named(request))
    return json_response(shape_of(request, view))


async def cancel(request: web.Request) -> web.Response:
    """Cancel a job, if it has not ended, and show it."""
    view = await request.app[SERVICE].history.cancel(*named(request))
    return json_response(shape_of(request, view))


async def retry(request: web.Request) -> web.Response:
    """Start a job anew as another one."""
    service = request.app[SERVICE]
    taker = service.queue if await _is_prediction(request) else service.jobs
    model, job_id, principal = named(request)
    job = await taker.retry(
        model,
        job_id,
        principal=principal,
        request_id=request[REQUEST_ID],
        key=parameters.read_key(request),
    )
    response = json_response(shape_of(request, JobView(job, None)), status=201)
    response.headers["Location"] = path_of(request, job)
    return response


async def remove(request: web.Request) -> web.Response:
    """Remove a job that has ended."""
    await request.app[SERVICE].history.remove(*named(request))
    return web.Response(status=204)


async def arguments(request: web.Request) -> web.Response:
    """Show what a job was given."""
    job = await request.app[SERVICE].jobs.find(*named(request))
    return json_text(job.arguments.encode())


async def _is_prediction(request: web.Request) -> bool:
    """Tell whether a job is a queued prediction; one that is gone is none."""
    try:
        job = await request.app[SERVICE].jobs.find(*named(request))
    except JobNotFound:
        return False
    return job.kind == PREDICT


async def result(request: web.Request) -> web.StreamResponse:
    """Show what a job's function returned; a prediction is answered as the call would have been."""
    model, job_id, principal = named(request)
    if await _is_prediction(request):
        return await send_result(request, model, job_id)
    text = await request.app[SERVICE].history.result(model, job_id, principal)
    return json_text(text.encode())


async def metrics(request: web.Request) -> web.Response:
    """Show a job's metrics as series."""
    return json_response({"metrics": await request.app[SERVICE].history.metrics(*named(request))})


async def artifacts(request: web.Request) -> web.Response:
    """List the files that a job made, and say how."""
    _, job, _ = named(request)
    history = request.app[SERVICE].history
    files = await history.artifacts(*named(request))
    return json_response(
        {
            "artifacts": [artifact_shape(request, job, file) for file in files],
            "record": await history.record(*named(request)),
        }
    )
