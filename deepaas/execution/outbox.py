# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a worker says to the server of its calls: put into shared memory, told of once for many.

A wake-up costs a system call and two changes of context, more than a short call itself. So answers
that come in quick succession share one: the server is told when the worker has nothing more to do,
or once 1 ms has passed since it was last told. What waits for that is safe: it lies in the ring.
"""

import os
import select
import time
from collections.abc import Callable

from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Channel,
    Failure,
    StreamEnd,
    StreamStart,
    Wake,
    memory_file,
    pack,
    pack_data,
)
from deepaas.execution.page import CallPage
from deepaas.execution.ring import MAX_MESSAGE_BYTES

_TELL_AFTER_S = 0.001
#: Between two looks whether the server has made room.
FULL_PAUSE_S = 0.001
_MAX_TEXT = 4096
#: The most bytes of a stream in one message, whose head takes some more.
PIECE_BYTES = MAX_MESSAGE_BYTES - 1024


class Outbox:
    """Used by one thread."""

    def __init__(
        self, control: Channel, page: CallPage, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._control = control
        self._clock = clock
        self._ring = page.ring
        self._told_s = 0.0
        self._leaving = select.poll()
        # Nothing but the end of the other side, which is told in any case.
        self._leaving.register(control.fileno(), 0)

    def answer(self, answer: Answer, fd: int | None = None) -> None:
        """Send an answer, whose body may be a descriptor; that is duplicated.

        Raises:
            OSError: The server is gone.
        """
        body = answer.body
        is_small = fd is None and (body is None or len(body) < MAX_MESSAGE_BYTES)
        if is_small and self._ring.put(pack(answer)):
            self._tell_in_time()
            return
        if body is None or len(body) < INLINE_BYTES:
            self._control.send(answer, () if fd is None else (fd,))
            return
        fd = memory_file(body)
        try:
            self._control.send(answer._replace(body=None), (fd,))
        finally:
            os.close(fd)

    def offer(self, message: StreamStart | StreamEnd) -> bool:
        """Send the beginning or the end of a stream, if there is room; false if there is none."""
        if isinstance(message, StreamEnd) and message.failure is not None:
            message = StreamEnd(message.call_id, _shortened(message.failure))
        return self._offer(pack(message))

    def offer_data(self, call_id: int, data: bytes) -> bool:
        """Send at most :data:`PIECE_BYTES` of a stream, if there is room; false if there is not."""
        return self._offer(pack_data(call_id, data))

    def _offer(self, packed: bytes) -> bool:
        if not self._ring.put(packed):
            self.flush()
            return False
        self._tell_in_time()
        return True

    def stream(self, message: StreamStart | StreamEnd) -> None:
        """Send the beginning or the end of a stream, and wait for room.

        Raises:
            OSError: The server is gone.
        """
        while not self.offer(message):
            self._wait_for_room()

    def data(self, call_id: int, data: bytes) -> None:
        """Send some of a stream, of any size, and wait for room.

        Raises:
            OSError: The server is gone.
        """
        if len(data) <= PIECE_BYTES:
            while not self._offer(pack_data(call_id, data)):
                self._wait_for_room()
            return
        for piece in pieces(data):
            self.data(call_id, piece)

    def check_server(self) -> None:
        """Make sure that there is somebody who may make room.

        Raises:
            BrokenPipeError: The server is gone.
        """
        if self._leaving.poll(0):
            raise BrokenPipeError("the server is gone")

    def _wait_for_room(self) -> None:
        """Let the server empty the ring, which it does in its next turn."""
        if self._leaving.poll(FULL_PAUSE_S * 1000):
            raise BrokenPipeError("the server is gone")

    def _tell_in_time(self) -> None:
        now = self._clock()
        if now - self._told_s >= _TELL_AFTER_S:
            self._told_s = now
            self.flush()

    def flush(self) -> None:
        """Tell the server of everything that it has not taken yet; before waiting, always.

        Raises:
            OSError: The server is gone.
        """
        if self._ring.has_unread and self._ring.claim_telling():
            self._control.send(Wake())


def pieces(data: bytes) -> list[bytes]:
    """Cut a stream's bytes so that each piece fits into the ring."""
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]


def _shortened(failure: Failure) -> Failure:
    """Return it with texts that fit into the ring; of a traceback the end says most."""
    return failure._replace(
        text=failure.text[:_MAX_TEXT], traceback=failure.traceback[-_MAX_TEXT:], messages=None
    )
