# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is observed, for Prometheus."""

import asyncio

from aiohttp import web

from deepaas.api.exposition import expose
from deepaas.api.keys import PRINCIPAL, SERVICE


async def show(request: web.Request) -> web.Response:
    """Answer every metric of what the caller may see."""
    observed = await request.app[SERVICE].observer.observe()
    found = observed.seen_by(request[PRINCIPAL])
    accept = ", ".join(request.headers.getall("Accept", ()))
    # In a thread: the first time the library is imported, and with many models it takes a while.
    body, content_type = await asyncio.to_thread(expose, found, accept)
    headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)
