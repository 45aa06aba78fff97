# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A client over loopback for an application of this process."""

import asyncio
import email.parser
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from tests.unit.parts import echo_service, until

Client = TestClient[web.Request, web.Application]

PREDICT = "/v2/models/echo/predict/"
TRAIN = "/v2/models/echo/train/"


@asynccontextmanager
async def opened(app: web.Application) -> AsyncIterator[Client]:
    """Serve an application and connect to it."""
    async with TestClient(TestServer(app)) as client:
        yield client


@asynccontextmanager
async def echo_client(
    tmp_path: Path, *, max_bytes: int = 0, base_path: str = "", **service: Any
) -> AsyncIterator[Client]:
    """Serve the echo model; when the client has left, no upload is there any more."""
    async with echo_service(tmp_path, **service) as parts:
        app = create_app(parts, ApiSettings(base_path, max_bytes))
        async with opened(app) as client:
            yield client
        # A large one is removed by a thread.
        await until(lambda: os.listdir(parts.uploads) == [])


async def predictions(client: Client, **request: Any) -> Any:
    """Predict, and return what the model answered."""
    response = await client.post(PREDICT, **request)
    assert response.status == 200, await response.text()
    return (await response.json())["predictions"]


class RawAnswer(NamedTuple):
    """What came over the wire."""

    status: int
    headers: "Message[str, str]"
    text: str


async def raw(client: Client, *lines: str, body: bytes = b"") -> RawAnswer:
    """Send a request byte for byte and read the answer until the server closes.

    Args:
        client: Tells where to.
        lines: Request line and headers; the host and the wish to close are added.
        body: Sent as it is.
    """
    reader, writer = await asyncio.open_connection(client.host, client.port)
    request = "\r\n".join([*lines, "Host: test", "Connection: close", "", ""])
    writer.write(request.encode("latin-1") + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, rest = answer.partition(b"\r\n\r\n") if answer else (b"HTTP/1.1 0 ", b"", b"")
    status, _, headers = head.decode().partition("\r\n")
    return RawAnswer(
        int(status.split()[1]), email.parser.HeaderParser().parsestr(headers), rest.decode()
    )
