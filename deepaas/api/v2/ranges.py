# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Send a file, or the range of it that a client asks for (RFC 9110, section 14).

aiohttp's FileResponse is not for this: it opens by name, which a link may take elsewhere in
between; it sends ``x.gz`` where ``x`` was asked for; and its entity tag is no checksum, nor does it
compare one in ``If-Range``, so that a download could go on with another file.
"""

import asyncio
import os
import re
from collections.abc import Mapping

from aiohttp import web

from deepaas.api.keys import REQUEST_ID

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


async def send_file(
    request: web.Request,
    fd: int,
    *,
    headers: Mapping[str, str],
    tag: str | None = None,
    skip: int = 0,
    gap: tuple[int, int] | None = None,
) -> web.StreamResponse:
    """Send an open file as it is now.

    Args:
        request: May ask for a range, or for the file only if it is another one than it has.
        fd: Open for reading; not closed here.
        headers: Of the answer.
        tag: Of the content, ``None`` where the content may change.
        skip: Begin so many bytes behind the file's beginning.
        gap: Offsets between which there is nothing to send, except where a range asks for it.

    Raises:
        HTTPRequestRangeNotSatisfiable: The range begins behind the end.
    """
    size = os.fstat(fd).st_size
    skip = min(skip, size)
    response = web.StreamResponse(headers={**headers, "Accept-Ranges": "bytes"})
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    if tag is not None:
        response.etag = tag
    if _has_already(request, tag):
        response.set_status(304)
        await response.prepare(request)
        await response.write_eof()
        return response
    parts = [(skip, size)]
    wanted = _wanted(request, tag, size - skip)
    if wanted is not None:
        start, end = wanted
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size - skip}"
        parts = [(skip + start, skip + end)]
    elif gap is not None:
        parts = [(skip, max(skip, gap[0])), (max(skip, gap[1]), size)]
    response.content_length = sum(max(0, end - start) for start, end in parts)
    await response.prepare(request)
    if request.method != "HEAD":
        for start, end in parts:
            await _send(request, response, fd, start, end - start)
    await response.write_eof()
    return response


def _has_already(request: web.Request, tag: str | None) -> bool:
    tags = request.if_none_match
    return tags is not None and any(
        each.value == "*" or (tag is not None and each.value == tag) for each in tags
    )


def _wanted(request: web.Request, tag: str | None, size: int) -> tuple[int, int] | None:
    """Return where the range that is asked for begins and ends, ``None`` for the whole file.

    Several ranges at once, and what is no range, are answered with the whole file.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    condition = request.headers.get("If-Range")
    if found is None or request.method != "GET" or condition not in (None, f'"{tag}"'):
        return None
    first, last = found.groups()
    if not first:
        start, end = (max(0, size - int(last)), size) if last else (size, size)
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, end


async def _send(
    request: web.Request, response: web.StreamResponse, fd: int, offset: int, count: int
) -> None:
    while count > 0:
        chunk = await asyncio.to_thread(os.pread, fd, min(_CHUNK_BYTES, count), offset)
        if not chunk:
            # It became shorter meanwhile: the client must not take this for all of it.
            if request.transport is not None:
                request.transport.abort()
            return
        await response.write(chunk)
        offset += len(chunk)
        count -= len(chunk)
