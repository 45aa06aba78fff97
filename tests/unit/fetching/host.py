# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A host to fetch from, on every address of the loopback, that notes who came."""

import asyncio
import errno
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from aiohttp import web

from deepaas.fetching import AddressPolicy

CONTENT = b"from the host"
#: Lets the guard's own rules do nothing.
ANYWHERE = AddressPolicy(tuple(map(ip_network, ("0.0.0.0/0", "::/0"))))


@dataclass
class Host:
    """What listens there."""

    port: int
    scheme: str = "http"
    #: Path and headers of every request.
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: The address of this host that each of them came to.
    reached_at: list[str] = field(default_factory=list)

    def url(self, path: str = "/file.txt", name: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"{self.scheme}://{name}:{self.port}{path}"


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(64 * 1024))


async def _silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _broken(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def _answer(request: web.Request) -> web.StreamResponse:
    query = request.query
    match request.path:
        case "/to":
            headers = {"Location": query["url"], "Set-Cookie": "a=b; Path=/"}
            return web.Response(status=int(query.get("status", "302")), headers=headers)
        case "/nowhere":
            return web.Response(status=302)
        case "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        case "/endless":
            return await _endless(request)
        case "/silent":
            return await _silent(request)
        case "/broken":
            return await _broken(request)
        case "/gzip":
            body = gzip.compress(bytes(10_000_000))
            return web.Response(body=body, headers={"Content-Encoding": "gzip"})
        case "/missing":
            return web.Response(status=404, text="not here")
        case "/untyped":
            response = web.Response(body=CONTENT)
            response.headers.popall("Content-Type", None)
            return response
        case _:
            kind = query.get("type", "text/plain; charset=utf-8")
            return web.Response(body=CONTENT, headers={"Content-Type": kind})


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    """Serve on 0.0.0.0 and, on the same port, ::1."""
    host = Host(0, "http" if tls is None else "https")

    async def handle(request: web.Request) -> web.StreamResponse:
        host.seen.append((request.path, dict(request.headers)))
        assert request.transport is not None
        host.reached_at.append(request.transport.get_extra_info("sockname")[0])
        return await _answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        for sock in _sockets():
            host.port = sock.getsockname()[1]
            await web.SockSite(runner, sock, ssl_context=tls).start()
        yield host
    finally:
        await runner.cleanup()


def _sockets() -> list[socket.socket]:
    """Return one for each family, of the same port; one alone where there is no IPv6."""
    while True:
        four = socket.create_server(("0.0.0.0", 0))
        port = four.getsockname()[1]
        try:
            return [four, socket.create_server(("::1", port), family=socket.AF_INET6)]
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                return [four]
            four.close()  # somebody has the other one's port
