# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listen for HTTP; apart from :mod:`~deepaas.cmd.run`, so that it can be imported meanwhile."""

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.config import Settings
from deepaas.service import Service


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server, in which what is no HTTP is one line, and no error of ours.

    Its own text and traceback would show what came, which may hold a token.
    """

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log an exception, with its traceback unless a client is to blame."""
        exc = kwargs.get("exc_info")
        if not isinstance(exc, HttpProcessingError):
            super().exception(msg, *args, **kwargs)
            return
        self.logger.info(
            "A client's request is malformed: %s (%d).",
            type(exc).__name__,
            exc.code,
            extra={"action": "request_malformed"},
        )


@asynccontextmanager
async def listen(service: Service, settings: Settings, sock: socket.socket) -> AsyncIterator[None]:
    """Serve on a bound socket; on exit, refuse new requests and wait for running ones."""
    api = ApiSettings(
        base_path=settings.base_path,
        client_max_bytes=settings.client_max_bytes,
        doc_endpoint=settings.doc_endpoint,
        hide_model_errors=settings.hide_model_errors,
    )
    runner = web.AppRunner(
        create_app(service, api),
        access_log=None,
        logger=_ServerLog(logging.getLogger("aiohttp.server")),
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=settings.shutdown_grace_s,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        await runner.cleanup()
