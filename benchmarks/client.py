# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A client of our own: one connection that blocks, and many that call again and again."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self, cast

import uvloop

from benchmarks.answers import AnswerReader, BadAnswer

#: Longer than any answer takes; it only ends what hangs.
PATIENCE_S = 60.0
_READ_BYTES = 256 * 1024


class Connection:
    """A connection that blocks; used for what comes one at a time."""

    def __init__(self, port: int, *, patience_s: float = PATIENCE_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave, whatever is still to come."""
        self._socket.close()

    def send(self, *pieces: bytes, content: bytes = b"", total: int = 0) -> None:
        """Send the pieces; before the last one, ``total`` bytes: ``content`` again and again."""
        *before, last = pieces
        if before:
            self._socket.sendall(b"".join(before))
        while total > 0:
            self._socket.sendall(memoryview(content)[:total])
            total -= len(content)
        self._socket.sendall(last)

    def receive(self, *, counted: bytes | None = None) -> tuple[AnswerReader, float]:
        """Read an answer.

        Returns:
            The answer, and the ``time.perf_counter()`` of the first byte of its body.

        Raises:
            BadAnswer: It does not come whole.
        """
        reader = AnswerReader(counted=counted)
        first_s = 0.0
        try:
            while not reader.is_complete:
                reader.feed(self._socket.recv(_READ_BYTES))
                if not first_s and reader.body:
                    first_s = time.perf_counter()
        except TimeoutError as exc:
            raise BadAnswer("no answer in time") from exc
        return reader, first_s

    def receive_some(self) -> bytes:
        """Read what comes first."""
        return self._socket.recv(_READ_BYTES)

    def ask(self, request: bytes) -> AnswerReader:
        """Send a request and read its answer."""
        self.send(request)
        return self.receive()[0]


@dataclass
class Load:
    """What clients that call again and again have seen."""

    #: Seconds from request to answer.
    latencies_s: list[float] = field(default_factory=list)
    #: Why calls failed.
    problems: list[str] = field(default_factory=list)
    duration_s: float = 0.0


class _Caller(asyncio.Protocol):
    """Sends a request, waits for the answer, and begins again until it is time."""

    def __init__(self, request: bytes, until_s: float, load: Load, pause_s: float) -> None:
        self._request = request
        self._until_s = until_s
        self._load = load
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._call()

    def _call(self) -> None:
        self._reader = AnswerReader()
        self._sent_s = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except BadAnswer as exc:
            self._fail(str(exc))
            return
        if not self._reader.is_complete:
            return
        now = time.perf_counter()
        if self._reader.status == 200:
            self._load.latencies_s.append(now - self._sent_s)
        else:
            self._load.problems.append(f"status {self._reader.status}")
        if now >= self._until_s:
            self._finish()
        elif self._pause_s:
            self._loop.call_later(self._pause_s, self._call)
        else:
            self._call()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail("the connection was closed")

    def _fail(self, reason: str) -> None:
        self._load.problems.append(reason)
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def _call_again(
    port: int, request: bytes, load: Load, *, clients: int, until_s: float, pause_s: float = 0.0
) -> None:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    callers = []
    for _ in range(clients):
        _, caller = await loop.create_connection(
            lambda: _Caller(request, until_s, load, pause_s), "127.0.0.1", port
        )
        callers.append(caller)
    _, late = await asyncio.wait(
        [caller.done for caller in callers], timeout=until_s - started + PATIENCE_S
    )
    load.problems += ["no answer in time"] * len(late)
    load.duration_s = time.perf_counter() - started


def call_again(
    port: int,
    request: bytes,
    *,
    clients: int,
    seconds: float,
    pause_s: float = 0.0,
    aside: bytes | None = None,
) -> tuple[Load, Load]:
    """Call again and again for some seconds.

    Args:
        port: Of loopback.
        request: The whole request.
        clients: How many connections call at the same time.
        seconds: For how long; calls that run then are waited for.
        pause_s: Between an answer and the next call.
        aside: A second request, asked meanwhile by one more client, ten milliseconds after each
            answer.

    Returns:
        What the clients have seen, and what the one aside has.
    """
    load, beside = Load(), Load()

    async def run() -> None:
        until_s = time.perf_counter() + seconds
        runs = [_call_again(port, request, load, clients=clients, until_s=until_s, pause_s=pause_s)]
        if aside is not None:
            runs.append(_call_again(port, aside, beside, clients=1, until_s=until_s, pause_s=0.01))
        await asyncio.gather(*runs)

    with _runner() as runner:
        runner.run(run())
    return load, beside


@contextmanager
def _runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner
