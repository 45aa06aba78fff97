# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Bare aiohttp and uvloop, the model called in the handler.

Run as ``python -m benchmarks.limits.in_process MODEL PORT``.
"""

import asyncio
import sys
from pathlib import Path

from benchmarks.limits.calls import answer, answer_batch, answer_stream
from benchmarks.limits.serving import Backend, Streamed, run
from benchmarks.model import BATCH_SIZE


class InProcess(Backend):
    """Runs the model on the event loop."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []

    async def call(self, body: bytes) -> bytes:
        """Run a call; one that can be batched, with what else came in this turn of the loop."""
        if self._model != "batch":
            return answer(self._model, body)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._run_batch)
        self._waiting.append((body, future))
        return await future

    def _run_batch(self) -> None:
        now, self._waiting = self._waiting[:BATCH_SIZE], self._waiting[BATCH_SIZE:]
        for (_, future), result in zip(now, answer_batch([body for body, _ in now]), strict=True):
            if not future.done():  # its client may have left
                future.set_result(result)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run_batch)

    async def call_file(self, path: str) -> bytes:
        """Run a call on a file."""
        return answer(self._model, Path(path))

    async def call_stream(self, body: bytes) -> Streamed:
        """Run a call that yields."""
        for chunk in answer_stream(body):
            yield chunk


if __name__ == "__main__":
    run(InProcess(sys.argv[1]), sys.argv[1], int(sys.argv[2]))
