# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job writes: its log and its events, whole or as they come, and the files that it made."""

import mimetypes
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import unquote_to_bytes

from aiohttp import web

from deepaas.api import parameters
from deepaas.api.keys import SERVICE
from deepaas.api.v2.events import event, nothing_left, send_events
from deepaas.api.v2.jobs import named
from deepaas.api.v2.jobshape import event_shape, hides_errors
from deepaas.api.v2.ranges import send_file
from deepaas.api.v2.responses import attachment, json_response
from deepaas.api.v2.streaming import EVENTS, wanted_stream
from deepaas.errors import Forbidden
from deepaas.model.encoding import encode_json

#: What is text, or anything at all, is not for a browser to guess.
_AS_IT_IS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


async def log(request: web.Request) -> web.StreamResponse:
    """Send a job's log, or follow it."""
    wanted = parameters.read(request, parameters.log())
    history = request.app[SERVICE].history
    if hides_errors(request):
        raise Forbidden("Logs are not shown here: they hold what models raise.")
    start = await history.log_start(*named(request), wanted.get("tail"))
    if wanted["follow"] or _wants_events(request):
        offset = int(wanted.get("offset", start))
        if "offset" in wanted and not await history.has_log_behind(*named(request), offset):
            return nothing_left()
        return await send_events(request, _log_events(request, offset))
    headers = {"Content-Type": "text/plain; charset=utf-8", **_AS_IT_IS}
    fd = await history.open_log(*named(request))
    try:
        read = await history.log_reader(*named(request))
        return await send_file(request, fd, headers=headers, skip=start, read=read)
    finally:
        os.close(fd)


async def events(request: web.Request) -> web.StreamResponse:
    """Send a job's newest events, or follow them."""
    wanted = parameters.read(request, parameters.events())
    history = request.app[SERVICE].history
    if not _wants_events(request):
        found = await history.last_events(*named(request))
        return json_response({"events": [event_shape(request, each) for each in found]})
    offset = int(wanted.get("offset", 0))
    if not await history.has_events_behind(*named(request), offset):
        return nothing_left()
    return await send_events(request, _job_events(request, offset))


async def artifact(request: web.Request) -> web.StreamResponse:
    """Send a file that a job made."""
    path = _path_in(request)
    fd, file = await request.app[SERVICE].history.open_artifact(*named(request), path)
    try:
        headers = {
            "Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "Content-Disposition": attachment(os.path.basename(path)),
            **_AS_IT_IS,
        }
        return await send_file(request, fd, headers=headers, tag=file.sha256)
    finally:
        os.close(fd)


def _path_in(request: web.Request) -> str:
    """Return the path of the file that a request names; its bytes need not be UTF-8."""
    path = request.match_info["path"]
    if "%" not in path:
        return path
    # What is no text, the router leaves as it stands in the URL.
    tail = request.rel_url.raw_path.partition(f"/jobs/{request.match_info['job']}/artifacts/")[2]
    return os.fsdecode(unquote_to_bytes(tail))


def _wants_events(request: web.Request) -> bool:
    return wanted_stream(request.headers.get("Accept", "")) == EVENTS


async def _log_events(request: web.Request, offset: int) -> AsyncGenerator[bytes, None]:
    pieces = request.app[SERVICE].history.follow_log(*named(request), offset)
    async with aclosing(pieces):
        async for piece in pieces:
            yield event(piece.text, id=piece.end) if piece and piece.text else b""
    state = await request.app[SERVICE].history.final_state(*named(request))
    if state is not None:
        yield event(state, name="end")


async def _job_events(request: web.Request, offset: int) -> AsyncGenerator[bytes, None]:
    blocks = request.app[SERVICE].history.follow_events(*named(request), offset)
    async with aclosing(blocks):
        async for entries in blocks:
            yield b"".join(
                event(
                    encode_json(event_shape(request, entry.event)).decode(),
                    id=entry.end,
                    name=str(entry.event["event"]),
                )
                for entry in entries or ()
            )
