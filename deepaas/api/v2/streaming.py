# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a generator yields, sent piece by piece."""

import re
from collections.abc import Mapping

from aiohttp import web

from deepaas.api.errors import told
from deepaas.api.keys import REQUEST_ID
from deepaas.errors import CallFailed, DeepaasError
from deepaas.execution.streams import AnswerStream, StreamFailed
from deepaas.model.encoding import encode_json
from deepaas.service.predictions import error_of

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
JSON = "application/json"
_ANY = ("*/*", "application/*")

_QUALITY = re.compile(r";\s*q=([0-9.]+)\s*(?:;|$)", re.IGNORECASE)


def wanted_stream(accept: str) -> str:
    """Return the media type of a stream that a client asks for, empty if it asks for none.

    Args:
        accept: The header ``Accept``. Of several types, the one of the highest quality counts, and
            of equals the first (RFC 9110, section 12.5.1).
    """
    accept = accept.lower()
    if EVENTS not in accept and LINES not in accept:
        return ""
    best, best_quality, other_quality = "", 0.0, 0.0
    is_json_named = False
    for part in accept.split(","):
        kind = part.partition(";")[0].strip()
        found = _QUALITY.search(part)
        try:
            quality = float(found[1]) if found is not None else 1.0
        except ValueError:
            continue
        if kind in _ANY:
            other_quality = max(other_quality, quality)
        is_json_named = is_json_named or kind == JSON
        if kind in (EVENTS, LINES, JSON) and quality > best_quality:
            best, best_quality = kind, quality
    if other_quality > best_quality and not is_json_named:
        return ""  # rather anything else, such as JSON
    return "" if best == JSON else best


async def send_stream(
    request: web.Request, stream: AnswerStream, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send a stream as it comes; how it broke off, if it did, is visible to the client.

    Events and lines end with one that tells the error; another type breaks off without the end
    that HTTP asks for.
    """
    response = web.StreamResponse(headers=headers)
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    # Proxies that collect an answer would take from a stream what it is for.
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    try:
        await response.prepare(request)
        while data := await stream.read():
            await response.write(data)
    except StreamFailed as exc:
        await _break_off(request, response, error_of(exc.failure, request.match_info["model"]))
    except DeepaasError as exc:
        await _break_off(request, response, exc)
    finally:
        stream.close()
    await response.write_eof()
    return response


async def _break_off(
    request: web.Request, response: web.StreamResponse, error: DeepaasError
) -> None:
    error = told(request, error)
    kind = error.type_name if isinstance(error, CallFailed) else type(error).__name__
    text = error.text if isinstance(error, CallFailed) else error.public_message
    shown = encode_json({"error": {"type": kind, "message": text}})
    content_type = response.headers["Content-Type"].partition(";")[0].strip().lower()
    if content_type == EVENTS:
        await response.write(b"event: error\ndata: " + shown + b"\n\n")
    elif content_type == LINES:
        await response.write(shown + b"\n")
    elif request.transport is not None:
        request.transport.abort()
