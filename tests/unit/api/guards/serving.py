# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The echo model behind the guards of the command, and clients that send what they like."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from deepaas.cmd.http import listen
from deepaas.cmd.run import bind
from deepaas.cmd.tls import Certificate
from deepaas.config import load_settings
from tests.unit.parts import PATIENCE_S, echo_service

PREDICT = "/v2/models/echo/predict/"
TRAIN = "/v2/models/echo/train/"
LIVE = "/v2/health/live"


class Place(NamedTuple):
    """Where it is served."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(
    tmp_path: Path, *options: str, certificate: Certificate | None = None
) -> AsyncIterator[Place]:
    """Serve as ``deepaas-run`` does with these options, in this process."""
    settings = load_settings(["--listen-port=0", *options])
    async with echo_service(tmp_path) as service:
        with bind(settings) as sock:
            async with listen(service, settings, sock, asyncio.Event(), certificate=certificate):
                yield Place(*sock.getsockname()[:2])


@asynccontextmanager
async def connection(
    place: Place, tls: ssl.SSLContext | None = None, name: str = "localhost"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect; what does not end by itself is ended."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(
            *place, ssl=tls, server_hostname=name if tls else None, limit=2**26
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def exchange(
    place: Place, data: bytes, tls: ssl.SSLContext | None = None, name: str = "localhost"
) -> bytes:
    """Send bytes, and return all that comes until the service closes."""
    async with connection(place, tls, name) as (reader, writer):
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def request(method: str, path: str, host: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request after which the service is to close."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def status_of(answer: bytes) -> int:
    """Return the status of an answer, 0 if none came."""
    return int(answer.split(b" ", 2)[1]) if answer else 0
