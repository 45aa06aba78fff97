# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An answer that comes piece by piece, between the worker that sends and the client that reads."""

import asyncio
from collections.abc import Callable

from deepaas.execution.messages import Failure

#: A quarter of what a worker may be ahead: it is told rarely, and has something to do meanwhile.
_TELL_BYTES = 64 * 1024


class StreamFailed(Exception):
    """The model raised in the middle of a stream."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class AnswerStream:
    """Bytes in order, with an end; used from the event loop's thread only.

    Args:
        passed_on: Called with the number of bytes that the reader has dealt with since the
            beginning; the worker sends no more than a window ahead of it.
        cancel: Called if the reader leaves before the end.
    """

    def __init__(self, passed_on: Callable[[int], None], cancel: Callable[[], None]) -> None:
        #: Whether the reader has left before the end.
        self.was_left = False
        self._passed_on = passed_on
        self._cancel = cancel
        self._pieces: list[bytes] = []
        self._count = 0
        self._told = 0
        self._is_ended = False
        self._is_closed = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        if not self._is_closed and not self._is_ended:
            self._pieces.append(data)
            self._wake()

    def end(self, error: Exception | None = None) -> None:
        """Note that no more will come, and why, if it broke off."""
        if not self._is_ended:
            self._is_ended = True
            self._error = error
            self._wake()

    def break_off(self, error: Exception) -> None:
        """End it early; a worker that still sends is told to stop."""
        if not self._is_ended:
            self._cancel()
        self.end(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """Return all that is there, waiting for something; empty at the end.

        Asking for more says that what was given before has been dealt with.

        Raises:
            StreamFailed: The model raised; what it had sent before was returned before.
            WorkerDied, TimedOut: Likewise.
        """
        if self._count - self._told >= _TELL_BYTES:
            self._told = self._count
            self._passed_on(self._count)
        while not self._pieces:
            if self._is_ended:
                if self._error is not None:
                    raise self._error
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._count += len(data)
        return data

    def close(self) -> None:
        """Read no more; a worker that still sends is told to stop."""
        self._is_closed = True
        self._pieces.clear()
        if not self._is_ended:
            self.was_left = True
            self._cancel()
