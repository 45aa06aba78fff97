# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The limit: bare aiohttp and uvloop, and one spawned process behind a Unix socket pair.

Everything ready in one turn of the event loop goes out in one write, and the worker answers
everything it has read in one write: system calls and context switches are shared by all requests in
flight. Bodies are passed on unparsed.

Run as ``python -m benchmarks.limits.one_worker MODEL PORT``.
"""

import asyncio
import os
import socket
import subprocess
import sys
from typing import Any

from benchmarks.limits.frames import Unpacker, pack
from benchmarks.limits.serving import Backend, Streamed, run


class OneWorker(Backend, asyncio.Protocol):
    """Passes calls on to the worker; its answers carry the number of the call."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._unpacker = Unpacker()
        self._outgoing: list[bytes] = []
        self._calls: dict[int, asyncio.Queue[tuple[bytes, bool]] | asyncio.Future[bytes]] = {}
        self._next = 0

    async def open(self) -> None:
        """Start the worker, which ends when this process does: its socket closes."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "benchmarks.limits.worker", self._model]
            self._worker = subprocess.Popen(  # noqa: ASYNC220 - nothing is served yet
                [*command, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        self._loop = asyncio.get_running_loop()
        transport, _ = await self._loop.create_connection(lambda: self, sock=ours)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand out the answers."""
        for number, is_last, body in self._unpacker.feed(data):
            call = self._calls.pop(number) if is_last else self._calls[number]
            if isinstance(call, asyncio.Queue):
                call.put_nowait((body, is_last))
            elif not call.done():  # its client may have left
                call.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Without a worker there is nothing to measure."""
        os._exit(1)

    def _send(self, call: Any, body: bytes | str) -> None:
        self._calls[self._next] = call
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(pack((self._next, body)))
        self._next += 1

    def _flush(self) -> None:
        self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    async def call(self, body: bytes) -> bytes:
        """Run a call in the worker."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._send(future, body)
        return await future

    async def call_file(self, path: str) -> bytes:
        """Run a call on a file in the worker."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._send(future, path)
        return await future

    async def call_stream(self, body: bytes) -> Streamed:
        """Run a call that yields in the worker."""
        queue: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._send(queue, body)
        is_last = False
        while not is_last:
            chunk, is_last = await queue.get()
            if chunk:
                yield chunk


if __name__ == "__main__":
    run(OneWorker(sys.argv[1]), sys.argv[1], int(sys.argv[2]))
