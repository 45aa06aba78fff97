# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model's answer into an HTTP response."""

import asyncio
import hashlib
import os
import re
import stat
from urllib.parse import quote

from aiohttp import web

from deepaas.api.keys import REQUEST_ID
from deepaas.api.v2.streaming import send_stream
from deepaas.model.encoding import encode_json
from deepaas.service.predictions import Prediction

_CHUNK_BYTES = 1024 * 1024


def json_response(value: object, *, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return json_text(encode_json(value), status=status)


def json_text(body: bytes, *, status: int = 200) -> web.Response:
    """Return what is JSON already."""
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")


def json_tagged(request: web.Request, value: object) -> web.Response:
    """Return a value as JSON, or 304 where the client has it already."""
    body = encode_json(value)
    tag = hashlib.sha256(body).hexdigest()[:32]
    known = request.if_none_match or ()
    if any(each.value in (tag, "*") for each in known):
        response = web.Response(status=304)
    else:
        response = json_text(body)
    response.etag = tag
    return response


def headers_of(prediction: Prediction) -> dict[str, str]:
    """Return the headers of an answer."""
    content_type = prediction.content_type
    if content_type == "application/json":
        content_type += "; charset=utf-8"
    headers = {"Content-Type": content_type, "X-Model-Version": str(prediction.version)}
    if prediction.filename is not None:
        headers["Content-Disposition"] = attachment(prediction.filename)
    return headers


def attachment(filename: str) -> str:
    """Return the value of ``Content-Disposition`` for a file to be saved.

    A name beyond ASCII goes by RFC 8187 beside its safe form.
    """
    plain = re.sub(r"[^\x20-\x7e]|[\"\\]", "_", filename)
    value = f'attachment; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, errors='replace')}"
    return value


async def send(request: web.Request, prediction: Prediction) -> web.StreamResponse:
    """Send the answer; one that came as a descriptor is copied in chunks, and closed."""
    if prediction.stream is not None:
        return await send_stream(request, prediction.stream, headers_of(prediction))
    if prediction.fd is None:
        return web.Response(body=prediction.body, headers=headers_of(prediction))
    try:
        return await _send_descriptor(request, prediction, prediction.fd)
    finally:
        os.close(prediction.fd)


async def _send_descriptor(
    request: web.Request, prediction: Prediction, fd: int
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers_of(prediction))
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    status = os.fstat(fd)
    is_regular = stat.S_ISREG(status.st_mode)
    if is_regular:
        response.content_length = status.st_size
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    offset = 0
    while True:
        if is_regular:
            chunk = await loop.run_in_executor(None, os.pread, fd, _CHUNK_BYTES, offset)
        else:
            chunk = await loop.run_in_executor(None, os.read, fd, _CHUNK_BYTES)
        if not chunk:
            break
        offset += len(chunk)
        await response.write(chunk)
    await response.write_eof()
    return response
