# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A request's body, headers and query into a :class:`~deepaas.service.incoming.Incoming`.

Uploads go straight to files, large JSON straight to shared memory: neither passes through the event
loop's memory, and limits are enforced while reading.
"""

import asyncio
import errno
import os
import re
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError

from deepaas.api.keys import SERVICE, SETTINGS
from deepaas.errors import MalformedBody, StorageFull, StorageUnavailable, TooLarge
from deepaas.execution.messages import memory_file, write_all
from deepaas.records import CallInput, UploadedFile
from deepaas.service.incoming import Incoming

#: A body up to this size is kept as bytes, a larger one in memory of its own.
_IN_LOOP_BYTES = 256 * 1024
#: The most text of a form, all its parts together; text is held in memory, files are not.
_MAX_TEXT_BYTES = 16 * 1024 * 1024
_MAX_PARTS = 1000
_CHUNK_BYTES = 256 * 1024
_SUFFIX = re.compile(r"\.[A-Za-z0-9_-]{1,16}")


class _Budget:
    """Holds a body to its limits while it is read, whatever it is made of."""

    def __init__(self, request: web.Request) -> None:
        self._max_bytes = request.app[SETTINGS].client_max_bytes
        self._content = request.content
        self._text_bytes = 0
        self._parts = 0
        self._check(request.content_length or 0)

    def _check(self, count: int) -> None:
        if self._max_bytes and count > self._max_bytes:
            raise TooLarge(self._max_bytes)

    def check(self) -> None:
        """Count every byte that came, those around and between the parts of a form too."""
        self._check(self._content.total_bytes)

    def add_text(self, count: int) -> None:
        """Count what stays in memory."""
        self.check()
        self._text_bytes += count
        if self._text_bytes > _MAX_TEXT_BYTES:
            raise TooLarge(_MAX_TEXT_BYTES)

    def add_part(self) -> None:
        """Count a part of a form."""
        self.check()
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise MalformedBody("form", f"A form has at most {_MAX_PARTS} parts.")


async def receive(request: web.Request) -> Incoming:
    """Read a request whole; the caller releases what it is given.

    Raises:
        TooLarge: The body exceeds the limit.
        MalformedBody: A form cannot be parsed, or the body is not encoded as announced.
        StorageFull: No space is left for uploads.
    """
    incoming = Incoming()
    try:
        await _read(request, incoming)
    except web.RequestPayloadError as exc:
        incoming.release()
        kind = "json" if request.content_type.endswith("json") else "form"
        raise MalformedBody(kind, "The body is not encoded as its headers say.") from exc
    except BaseException:
        incoming.release()
        raise
    return incoming


async def _read(request: web.Request, incoming: Incoming) -> None:
    form: list[tuple[str, str]] = []
    files: list[tuple[str, UploadedFile]] = []
    body: bytes | None = None
    if request.body_exists:
        budget = _Budget(request)
        kind = request.content_type
        if kind == "multipart/form-data":
            await _read_multipart(request, budget, incoming, form, files)
        elif kind == "application/x-www-form-urlencoded":
            form = await _read_form(request, budget)
        elif kind == "application/json" or kind.endswith("+json"):
            body = await _read_json(request, budget, incoming)
    incoming.given = CallInput(
        query=tuple(request.rel_url.query.items()),
        form=tuple(form),
        files=tuple(files),
        body=body,
        headers=tuple(request.headers.items()),
        cookies=tuple(request.cookies.items()),
    )


async def _read_json(request: web.Request, budget: _Budget, incoming: Incoming) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        budget.check()
        size += len(chunk)
        if incoming.body_fd is None and size > _IN_LOOP_BYTES:
            incoming.body_fd = memory_file(b"".join(parts))
            parts.clear()
        if incoming.body_fd is None:
            parts.append(chunk)
        else:
            write_all(incoming.body_fd, chunk)
    return b"".join(parts) if incoming.body_fd is None else None


async def _read_form(request: web.Request, budget: _Budget) -> list[tuple[str, str]]:
    data = bytearray()
    async for chunk in request.content.iter_any():
        budget.add_text(len(chunk))
        data += chunk
    try:
        text = data.decode(request.charset or "utf-8")
    except (UnicodeDecodeError, LookupError) as exc:
        raise MalformedBody("form", "Invalid form body.") from exc
    return parse_qsl(text, keep_blank_values=True)


async def _read_multipart(
    request: web.Request,
    budget: _Budget,
    incoming: Incoming,
    form: list[tuple[str, str]],
    files: list[tuple[str, UploadedFile]],
) -> None:
    uploads = request.app[SERVICE].uploads
    try:
        reader = await request.multipart()
        async for part in reader:
            budget.add_part()
            if part is None or isinstance(part, MultipartReader) or part.name is None:
                raise MalformedBody("form", "Invalid multipart body.")
            if part.filename is None:
                form.append((part.name, await _read_text(part, budget)))
            else:
                files.append((part.name, await _store_upload(part, budget, uploads, incoming)))
        budget.check()
    except (ValueError, RuntimeError, AssertionError, HttpProcessingError) as exc:
        # aiohttp tells malformed parts by these, depending on where it notices.
        raise MalformedBody("form", "Invalid multipart body.") from exc


async def _read_text(part: BodyPartReader, budget: _Budget) -> str:
    data = bytearray()
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        budget.add_text(len(chunk))
        data += chunk
    try:
        return part.decode(bytes(data)).decode(part.get_charset("utf-8"))
    except LookupError as exc:
        raise ValueError("unknown charset") from exc


async def _store_upload(
    part: BodyPartReader, budget: _Budget, uploads: Path, incoming: Incoming
) -> UploadedFile:
    filename = part.filename or ""
    suffix = Path(filename).suffix
    name = os.urandom(8).hex() + (suffix if _SUFFIX.fullmatch(suffix) else "")
    path = uploads / name
    try:
        with path.open("xb") as file:
            incoming.paths.append(path)
            await _copy(part, budget, file)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("No space is left for uploads.") from exc
        if isinstance(exc, ConnectionError):
            raise
        raise StorageUnavailable(f"The upload cannot be stored: {exc.strerror}.") from exc
    content_type = part.headers.get("Content-Type")
    return UploadedFile(part.name, str(path), content_type, filename)


async def _copy(part: BodyPartReader, budget: _Budget, file: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        budget.check()
        await loop.run_in_executor(None, file.write, chunk)
