# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Server-sent events (WHATWG HTML, section 9.2) that a client can go on receiving later."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from deepaas.api.keys import REQUEST_ID
from deepaas.api.v2.streaming import EVENTS

_HEARTBEAT = b": \n\n"
#: How long a client waits before it comes again.
_RETRY = b"retry: 2000\n\n"


def event(text: str, *, id: int | None = None, name: str = "") -> bytes:  # noqa: A002 - the field's name
    """Return an event as it is sent.

    Args:
        text: What the client gets, byte for byte; without carriage returns, which would end lines.
        id: What the client names when it comes again, ``None`` for the one before.
        name: The kind of event; that of a message if empty.
    """
    head = f"event: {name}\n" if name else ""
    if id is not None:
        head += f"id: {id}\n"
    data = text.replace("\n", "\ndata: ")
    return f"{head}data: {data}\n\n".encode()


def nothing_left() -> web.Response:
    """Return the answer that ends the attempts of a client to go on."""
    return web.Response(status=204)


async def send_events(
    request: web.Request, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Send events as they come, no faster than the client takes them; closes the generator.

    Args:
        request: Its client may leave at any time.
        pieces: Events; an empty piece where there was none for a while.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{EVENTS}; charset=utf-8",
            # Proxies that collect an answer would take from a stream what it is for.
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
            "X-Request-ID": request[REQUEST_ID],
        }
    )
    async with aclosing(pieces):
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(_RETRY)
            async for piece in pieces:
                await response.write(piece or _HEARTBEAT)
    await response.write_eof()
    return response
