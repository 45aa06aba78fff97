# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listen for HTTP; apart from :mod:`~deepaas.cmd.run`, so that it can be imported meanwhile."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from deepaas.api.access import LOGGER, AccessLog
from deepaas.api.app import create_app
from deepaas.api.guards import make_guards
from deepaas.api.guards.connections import ConnectionLimits, Connections
from deepaas.api.keys import ApiSettings
from deepaas.auth import Authenticator, NoSignIn
from deepaas.cmd.tls import Certificate
from deepaas.config import Settings
from deepaas.service import Service

#: A connection is read on until twice as much waits. uvloop reads 256 kB at once: with aiohttp's
#: 64 KiB every read would be followed by a pause, which made uploads a fifth slower.
_READ_BYTES = 256 * 1024


#: So many of the longest; a longer head is a short time's guest, since memory holds it.
_LINES_OF_A_HEAD = 8


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server, in which what clients do wrong is no error of ours.

    What is no HTTP is one line: aiohttp's text and traceback would show what came, which may hold a
    token. That a client has left is none: the access log and the metrics have it.
    """

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log an exception, with its traceback unless a client is to blame."""
        exc = kwargs.get("exc_info")
        if isinstance(exc, ConnectionError):
            return
        if not isinstance(exc, HttpProcessingError | web.RequestPayloadError):
            super().exception(msg, *args, **kwargs)
            return
        self.logger.info(
            "A client's request is malformed: %s (%d).",
            type(exc).__name__,
            getattr(exc, "code", 400),
            extra={"action": "request_malformed"},
        )


class _Site(web.BaseSite):
    """A bound socket whose connections are looked after."""

    __slots__ = ("_connections", "_handshake_timeout_s", "_sock")

    def __init__(
        self,
        runner: web.AppRunner,
        sock: socket.socket,
        connections: Connections,
        ssl_context: SSLContext | None,
        handshake_timeout_s: float,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context)
        self._sock = sock
        self._connections = connections
        self._handshake_timeout_s = handshake_timeout_s

    @property
    def name(self) -> str:
        """The address, for people."""
        return str(self._sock.getsockname())

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        is_limited = self._ssl_context is not None and self._handshake_timeout_s
        self._server = await asyncio.get_running_loop().create_server(
            self._connections,
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=self._handshake_timeout_s if is_limited else None,
        )


@asynccontextmanager
async def listen(
    service: Service,
    settings: Settings,
    sock: socket.socket,
    force: asyncio.Event,
    authenticator: Authenticator | None = None,
    certificate: Certificate | None = None,
) -> AsyncIterator[None]:
    """Serve on a bound socket; on exit, refuse connections and wait for what is being answered.

    Once ``force`` is set, it is waited for no longer. Without an authenticator, everyone may do
    everything. With a certificate, HTTPS is served.
    """
    api = ApiSettings(
        base_path=settings.base_path,
        client_max_bytes=settings.client_max_bytes,
        doc_endpoint=settings.doc_endpoint,
        hide_model_errors=settings.hide_model_errors,
        form_max_parts=settings.form_max_parts,
        form_max_fields=settings.form_max_fields,
        form_max_text_bytes=settings.form_max_text_bytes,
        metrics_endpoint=settings.watching.metrics_endpoint,
        access_log=settings.watching.access_log,
        openwhisk=settings.openwhisk,
    )
    guards = make_guards(settings.guards, on_loopback=_is_loopback(sock))
    runner = web.AppRunner(
        create_app(service, api, authenticator, guards),
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=settings.shutdown_grace_s,
    )
    await runner.setup()
    try:
        async with AsyncExitStack() as stack:
            connections = _connections(runner, settings, signs_in=_signs_in(authenticator))
            await stack.enter_async_context(connections.looked_after())
            if certificate is not None:
                await stack.enter_async_context(certificate.kept_fresh())
            await _Site(
                runner,
                sock,
                connections,
                None if certificate is None else certificate.context,
                settings.guards.header_timeout_s,
            ).start()
            yield
    finally:
        await _clean_up(runner, force)


def _is_loopback(sock: socket.socket) -> bool:
    return ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback


def _signs_in(authenticator: Authenticator | None) -> bool:
    return authenticator is not None and not isinstance(authenticator, NoSignIn)


def _connections(runner: web.AppRunner, settings: Settings, *, signs_in: bool) -> Connections:
    guards = settings.guards
    assert runner.server is not None  # it is set up
    return Connections(
        runner.server,
        ConnectionLimits(
            header_timeout_s=guards.header_timeout_s,
            head_max_bytes=_LINES_OF_A_HEAD * guards.header_max_bytes,
            body_timeout_s=guards.body_timeout_s,
            max_connections=guards.max_connections,
        ),
        signs_in=signs_in,
        access_log=logging.getLogger(LOGGER) if settings.watching.access_log else None,
        access_log_class=AccessLog,
        logger=_ServerLog(logging.getLogger("aiohttp.server")),
        read_bufsize=_READ_BYTES,
        keepalive_timeout=guards.keep_alive_timeout_s,
        max_line_size=guards.header_max_bytes,
        max_field_size=guards.header_max_bytes,
    )


async def _clean_up(runner: web.AppRunner, force: asyncio.Event) -> None:
    server = runner.server
    cleaning = asyncio.create_task(runner.cleanup())
    forcing = asyncio.create_task(force.wait())
    await asyncio.wait({cleaning, forcing}, return_when=asyncio.FIRST_COMPLETED)
    forcing.cancel()
    if not cleaning.done() and server is not None:
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()
    await cleaning
