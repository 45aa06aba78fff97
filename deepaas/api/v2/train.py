# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings in the contract's shape: a narrow view of the jobs."""

import asyncio
import json
from datetime import datetime
from typing import Any

from aiohttp import web

from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.parameters import read_key
from deepaas.api.v2.jobshape import hides_errors, message_of
from deepaas.api.v2.responses import json_response, json_text
from deepaas.auth import Principal
from deepaas.model.encoding import encode_json
from deepaas.records import Job, JobState

#: What clients of 2.x know; the rest of our states is told in their words.
_STATUS = {
    JobState.QUEUED: "running",
    JobState.RUNNING: "running",
    JobState.DONE: "done",
    JobState.ERROR: "error",
    JobState.CANCELLED: "cancelled",
    JobState.INTERRUPTED: "error",
}


def _local(moment: datetime) -> str:
    """Return a time as 2.x wrote it: naive local time, always with microseconds."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")


def _training(request: web.Request, job: Job) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "date": _local(job.created),
        "args": json.loads(job.arguments),
        "uuid": job.id,
        "status": _STATUS[job.state],
    }
    if job.state is JobState.DONE and job.finished is not None:
        shown["result"] = {
            "output": json.loads(job.result) if job.result is not None else None,
            "finish_date": _local(job.finished),
            "duration": str(job.finished - (job.started or job.created)),
        }
    elif job.state in (JobState.ERROR, JobState.INTERRUPTED):
        shown["message"] = _message(job, hides=hides_errors(request))
    return shown


def _message(job: Job, *, hides: bool) -> str:
    if job.state is JobState.INTERRUPTED:
        return f"interrupted: {job.message or ''}"
    return message_of(job, hides=hides) or ""


def _named(request: web.Request) -> tuple[str, str, Principal]:
    """Return the model and the training that a request's path names, and who asks for it."""
    return request.match_info["model"], request.match_info["uuid"], request[PRINCIPAL]


async def start(request: web.Request) -> web.Response:
    """Start a training."""
    key = read_key(request)
    incoming = await receive(request)
    job = await request.app[SERVICE].jobs.train(
        request.match_info["model"],
        incoming,
        principal=request[PRINCIPAL],
        request_id=request[REQUEST_ID],
        key=key,
    )
    return json_response(_training(request, job))


async def list_all(request: web.Request) -> web.Response:
    """List the trainings in the order in which they were asked for, as version 2 did."""
    jobs = await request.app[SERVICE].jobs.list(request.match_info["model"], request[PRINCIPAL])

    def shown() -> bytes:
        return encode_json([_training(request, job) for job in reversed(jobs)])

    return json_text(await asyncio.to_thread(shown))  # a thousand trainings take a while


async def show(request: web.Request) -> web.Response:
    """Show a training, and how far it is."""
    service = request.app[SERVICE].jobs
    job = await service.get(*_named(request))
    shown = _training(request, job)
    progress = await service.progress(job)
    if progress is not None:
        shown["progress"] = progress
    return json_response(shown)


async def delete(request: web.Request) -> web.Response:
    """Cancel a training, and remove it from the list."""
    job = await request.app[SERVICE].jobs.delete(*_named(request))
    return json_response(_training(request, job))
