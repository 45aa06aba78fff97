# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The end of what the service logged and its models printed."""

from datetime import datetime

from aiohttp import web

from deepaas.api.keys import SERVICE


async def show(request: web.Request) -> web.Response:
    """Answer the transcript, with a mark of the time at its end; 204 if none is kept."""
    transcript = request.app[SERVICE].transcript
    if transcript is None:
        return web.Response(status=204)
    return web.Response(text=f"{transcript.text()}--- DEBUG MARKER {datetime.now()} ---")
