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
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web

from deepaas.api.keys import REQUEST_ID

#: Reads at most so many bytes behind an offset; returns them, and the offset behind them.
Reader = Callable[[int, int], tuple[bytes, int]]

_CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


async def send_file(
    request: web.Request,
    fd: int,
    *,
    headers: Mapping[str, str],
    tag: str | None = None,
    skip: int = 0,
    read: Reader | None = None,
) -> web.StreamResponse:
    """Send an open file as it is now.

    Args:
        request: May ask for a range, or for the file only if it is another one than it has.
        fd: Open for reading; not closed here.
        headers: Of the answer.
        tag: Of the content, ``None`` where the content may change.
        skip: Begin so many bytes behind the file's beginning.
        read: Reads the file where no range is asked for, and passes over what is missing in it.
            More may be missing by then, so the answer does not tell its length.

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
    start, end = skip, size
    wanted = _wanted(request, tag, size - skip)
    if wanted is not None:
        first, behind = wanted
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {first}-{behind - 1}/{size - skip}"
        start, end = skip + first, skip + behind
    if wanted is not None or read is None:
        response.content_length = end - start
        read = partial(_read, fd)
    await response.prepare(request)
    if request.method != "HEAD":
        await _send(request, response, read, start, end)
    await response.write_eof()
    return response


def _has_already(request: web.Request, tag: str | None) -> bool:
    """Tell whether the client has what it asks for (RFC 9110, section 13.2.2)."""
    if request.method not in ("GET", "HEAD"):
        return False
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
    if found is None or request.method != "GET":
        return None
    if condition is not None and (tag is None or condition != f'"{tag}"'):
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


def _read(fd: int, offset: int, max_bytes: int) -> tuple[bytes, int]:
    data = os.pread(fd, max_bytes, offset)
    return data, offset + len(data)


async def _send(
    request: web.Request, response: web.StreamResponse, read: Reader, start: int, end: int
) -> None:
    while start < end:
        chunk, start = await asyncio.to_thread(read, start, min(_CHUNK_BYTES, end - start))
        if not chunk:
            # It became shorter meanwhile: the client must not take this for all of it.
            if response.content_length is not None and request.transport is not None:
                request.transport.abort()
            return
        await response.write(chunk)
