# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the reference programs: aiohttp and uvloop, two routes and nothing else."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop
from aiohttp import BodyPartReader, web

#: A stream, an item at a time: each leaves in a chunk of its own.
Streamed = AsyncIterator[bytes]
#: A longer upload goes to a file; a shorter one is passed on.
SPOOL_BYTES = 2 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
#: For aiohttp, nought is a limit too.
_NO_LIMIT_BYTES = 2**40


class Backend(ABC):
    """Runs calls; where, is what the reference programs differ in."""

    @abstractmethod
    async def call(self, body: bytes) -> bytes:
        """Run a call on a body as it came."""

    @abstractmethod
    async def call_file(self, path: str) -> bytes:
        """Run a call on a file, which stays the caller's."""

    @abstractmethod
    def call_stream(self, body: bytes) -> Streamed:
        """Run a call that yields."""

    async def open(self) -> None:  # noqa: B027 - nothing to do is an answer
        """Begin, on the event loop."""


async def _receive(request: web.Request) -> bytes | Path:
    """Read the one part of a form; a long one lies in a file, which the caller removes."""
    part = await (await request.multipart()).next()
    assert isinstance(part, BodyPartReader)
    if (request.content_length or 0) <= SPOOL_BYTES:
        return bytes(await part.read())
    with tempfile.NamedTemporaryFile(prefix="limit-", delete=False) as file:
        while chunk := await part.read_chunk(_CHUNK_BYTES):
            file.write(chunk)
    return Path(file.name)


def _application(backend: Backend, model: str) -> web.Application:
    async def predict(request: web.Request) -> web.StreamResponse:
        if model == "file":
            content = await _receive(request)
            if isinstance(content, bytes):
                body = await backend.call(content)
            else:
                try:
                    body = await backend.call_file(str(content))
                finally:
                    content.unlink()
        else:
            body = await backend.call(await request.read())
        return web.Response(body=body, content_type="application/json")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        async for chunk in backend.call_stream(await request.read()):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def begin(app: web.Application) -> None:
        await backend.open()

    app = web.Application(client_max_size=_NO_LIMIT_BYTES)
    app.router.add_post("/predict", stream if model == "stream" else predict)
    app.router.add_get("/health", health)
    app.on_startup.append(begin)
    return app


def run(backend: Backend, model: str, port: int) -> None:
    """Serve on loopback until a signal."""
    web.run_app(
        _application(backend, model),
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
