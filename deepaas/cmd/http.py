# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listen for HTTP; apart from :mod:`~deepaas.cmd.run`, so that it can be imported meanwhile."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.config import Settings
from deepaas.service import Service

#: A connection is read on until twice as much waits. uvloop reads 256 kB at once: with aiohttp's
#: 64 KiB every read would be followed by a pause, which made uploads a fifth slower.
_READ_BYTES = 256 * 1024


@asynccontextmanager
async def listen(service: Service, settings: Settings, sock: socket.socket) -> AsyncIterator[None]:
    """Serve on a bound socket; on exit, refuse new requests and wait for running ones."""
    api = ApiSettings(
        settings.base_path,
        settings.client_max_bytes,
        settings.doc_endpoint,
        settings.form_max_parts,
        settings.form_max_fields,
        settings.form_max_text_bytes,
    )
    runner = web.AppRunner(
        create_app(service, api),
        access_log=None,
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
        await runner.cleanup()
