# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Forms into texts and files: texts are kept, files go to the disk while they come in."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import web

from deepaas.api.charsets import codec_of, decoded
from deepaas.api.limits import Budget
from deepaas.api.multipart import (
    Event,
    MultipartReader,
    PartEnd,
    PartHead,
    TransferDecoder,
    malformed,
)
from deepaas.errors import MalformedBody
from deepaas.records import UploadedFile
from deepaas.service.incoming import Incoming
from deepaas.service.uploads import Upload

#: Of a file whose part does not say it, as in version 2; models take it apart.
_ANY_TYPE = "application/octet-stream"
#: A form up to this size is taken apart in the event loop, a larger one by a thread.
_PARSE_IN_LOOP_BYTES = 64 * 1024

Texts = list[tuple[str, str]]
Files = list[tuple[str, UploadedFile]]


async def read_urlencoded(request: web.Request, budget: Budget) -> Texts:
    """Read an urlencoded form.

    Raises:
        TooLarge, MalformedBody: See :class:`~deepaas.api.limits.Budget`; or its text is not
            encoded as announced.
    """
    data = bytearray()
    while chunk := await request.content.readany():
        budget.check()
        budget.add_text(len(chunk))
        data += chunk
    budget.check_fields(data.count(b"&") + 1)
    try:
        text = decoded(data, request.charset or "utf-8")
    except ValueError as exc:
        raise MalformedBody("form", "Invalid form body.") from exc
    if len(text) <= _PARSE_IN_LOOP_BYTES:
        return parse_qsl(text, keep_blank_values=True)
    return await asyncio.to_thread(parse_qsl, text, keep_blank_values=True)


async def read_multipart(
    request: web.Request, budget: Budget, uploads: Path, incoming: Incoming
) -> tuple[Texts, Files]:
    """Read a multipart form; its files lie in ``uploads`` and belong to ``incoming``.

    Raises:
        TooLarge, MalformedBody: See :class:`~deepaas.api.limits.Budget`; or it is no such form.
        StorageFull, StorageUnavailable: A file cannot be written.
    """
    reader = MultipartReader(request.headers["Content-Type"])
    form = _Form(budget, uploads, incoming)
    try:
        while chunk := await request.content.readany():
            budget.check()
            for event in reader.feed(chunk):
                await form.take(event)
        reader.finish()
    finally:
        form.abandon()
    return form.texts, form.files


class _Form:
    """Puts what a reader tells where it belongs."""

    def __init__(self, budget: Budget, uploads: Path, incoming: Incoming) -> None:
        self.texts: Texts = []
        self.files: Files = []
        self._budget = budget
        self._uploads = uploads
        self._incoming = incoming
        self._charset = "utf-8"
        self._is_first = True
        self._head: PartHead
        self._decoder: TransferDecoder
        self._text = bytearray()
        self._upload: Upload | None = None

    async def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case PartHead():
                self._begin(event)
            case PartEnd():
                await self._add(self._decoder.finish())
                await self._end()
            case _:
                await self._add(self._decoder.decode(event))

    def abandon(self) -> None:
        """Close what is open; the files belong to the call."""
        if self._upload is not None:
            self._upload.abandon()

    def _begin(self, head: PartHead) -> None:
        self._budget.add_part()
        self._head = head
        self._decoder = TransferDecoder(head.encoding)
        self._text.clear()
        if head.filename is not None:
            self._upload = Upload(self._uploads, head.filename, self._incoming)

    async def _add(self, data: bytes | memoryview) -> None:
        if not data:
            return
        if self._upload is not None:
            await self._upload.write(data)
        else:
            self._budget.add_text(len(data))
            self._text += data

    async def _end(self) -> None:
        head, upload = self._head, self._upload
        if upload is not None:
            await upload.finish()
            self._upload = None
            if head.filename or upload.bytes:
                kind = head.content_type or _ANY_TYPE
                file = UploadedFile(head.name, str(upload.path), kind, head.filename)
                self.files.append((head.name, file))
        elif head.name == "_charset_" and self._is_first:
            self._set_charset(bytes(self._text))
        else:
            self.texts.append((head.name, self._decoded(head.charset or self._charset)))
        self._is_first = False

    def _set_charset(self, name: bytes) -> None:
        """Take the character set of all texts from a first part that says it (RFC 7578, 4.6)."""
        self._charset = name.decode("latin-1")
        if codec_of(self._charset) is None:
            raise malformed()

    def _decoded(self, charset: str) -> str:
        try:
            return decoded(self._text, charset)
        except ValueError as exc:
            raise malformed() from exc
