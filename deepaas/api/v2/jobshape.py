# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What clients see of a job."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from deepaas.api.keys import SETTINGS
from deepaas.execution.artifacts import Artifact
from deepaas.execution.queued import PREDICT
from deepaas.records import Job, JobState
from deepaas.service.history import JobView

_HIDDEN = "The job failed; its log, which the service keeps, says why."
_HIDDEN_BEFORE = "An attempt did not succeed; the log, which the service keeps, says why."
#: The states whose message may quote the model, and what is shown in its place. A job that waits
#: for another attempt, or runs again, still has what the attempt before said.
_HIDDEN_IN = {
    JobState.ERROR: _HIDDEN,
    JobState.QUEUED: _HIDDEN_BEFORE,
    JobState.RUNNING: _HIDDEN_BEFORE,
}
#: What can be asked of every job.
_PARTS = ("log", "events", "metrics", "artifacts/", "arguments")


def hides_errors(request: web.Request) -> bool:
    """Whether clients are not told what models raise."""
    return request.app[SETTINGS].hide_model_errors


def message_of(job: Job, *, hides: bool) -> str | None:
    """Return a job's message as clients may see it."""
    return _told(job.state, job.message) if hides else job.message


def shape_of(request: web.Request, view: JobView) -> dict[str, Any]:
    """Return a job as JSON has it."""
    job = view.job
    # Of what a training is, the list of versions tells once it is promoted.
    version = {} if job.version is None else {"version": job.version}
    return {
        "id": job.id,
        "kind": job.kind,
        "model": job.model,
        **version,
        "state": job.state,
        "created": _utc(job.created),
        "started": _utc(job.started),
        "finished": _utc(job.finished),
        "arguments": json.loads(job.arguments),
        "progress": view.progress,
        "message": message_of(job, hides=hides_errors(request)),
        "attempt": job.attempt,
        "links": _links(path_of(request, job), job),
    }


def event_shape(request: web.Request, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event as clients may see it."""
    state = event.get("state")
    if hides_errors(request) and state in _HIDDEN_IN:
        return {**event, "message": _told(JobState(state), event.get("message"))}
    return event


def _told(state: JobState, message: str | None) -> str | None:
    """Return what is told in place of a message where the model may have said it."""
    # A record does not tell whether it was the model, or the service.
    if message is None and state is not JobState.ERROR:
        return None
    return _HIDDEN_IN.get(state, message)


def artifact_shape(request: web.Request, job_id: str, file: Artifact) -> dict[str, Any]:
    """Return a file that a job made as JSON has it."""
    top = f"{_jobs_path(request, request.match_info['model'])}{job_id}/artifacts/"
    # A name that is no UTF-8 keeps its bytes in the path.
    encoded = file.path.encode("utf-8", "surrogateescape")
    return {
        "path": encoded.decode("utf-8", "backslashreplace"),
        "bytes": file.bytes,
        "sha256": file.sha256,
        "href": top + quote(encoded),
    }


def path_of(request: web.Request, job: Job) -> str:
    """Return a job's path on this server."""
    return f"{_jobs_path(request, job.model)}{job.id}"


def _jobs_path(request: web.Request, model: str) -> str:
    return f"{request.app[SETTINGS].base_path}/v2/models/{quote(model, safe='')}/jobs/"


def _links(path: str, job: Job) -> list[dict[str, str]]:
    # Of a prediction, what it failed by is its result.
    is_answered = job.kind == PREDICT and job.state is JobState.ERROR
    parts = [*_PARTS, "result"] if is_answered or job.state is JobState.DONE else _PARTS
    links = [{"rel": "self", "href": path}]
    links += [{"rel": part.rstrip("/"), "href": f"{path}/{part}"} for part in parts]
    action = "retry" if job.state.is_final else "cancel"
    return [*links, {"rel": action, "href": f"{path}/{action}"}]


def _utc(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 has it, always with microseconds."""
    if moment is None:
        return None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
