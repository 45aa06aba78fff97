# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listen for HTTP; apart from :mod:`~deepaas.cmd.run`, so that it can be imported meanwhile."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from deepaas.api.access import LOGGER, AccessLog
from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.auth import Authenticator
from deepaas.config import Settings
from deepaas.service import Service

#: A connection is read on until twice as much waits. uvloop reads 256 kB at once: with aiohttp's
#: 64 KiB every read would be followed by a pause, which made uploads a fifth slower.
_READ_BYTES = 256 * 1024


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server, in which what is no HTTP is one line, and no error of ours.

    Its own text and traceback would show what came, which may hold a token.
    """

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log an exception, with its traceback unless a client is to blame."""
        exc = kwargs.get("exc_info")
        if not isinstance(exc, HttpProcessingError | web.RequestPayloadError):
            super().exception(msg, *args, **kwargs)
            return
        self.logger.info(
            "A client's request is malformed: %s (%d).",
            type(exc).__name__,
            getattr(exc, "code", 400),
            extra={"action": "request_malformed"},
        )


@asynccontextmanager
async def listen(
    service: Service,
    settings: Settings,
    sock: socket.socket,
    force: asyncio.Event,
    authenticator: Authenticator | None = None,
) -> AsyncIterator[None]:
    """Serve on a bound socket; on exit, refuse connections and wait for what is being answered.

    Once ``force`` is set, it is waited for no longer. Without an authenticator, everyone may do
    everything.
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
    )
    runner = web.AppRunner(
        create_app(service, api, authenticator),
        access_log=logging.getLogger(LOGGER) if api.access_log else None,
        access_log_class=AccessLog,
        logger=_ServerLog(logging.getLogger("aiohttp.server")),
        handle_signals=False,
        handler_cancellation=True,
        read_bufsize=_READ_BYTES,
        shutdown_timeout=settings.shutdown_grace_s,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        await _clean_up(runner, force)


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
