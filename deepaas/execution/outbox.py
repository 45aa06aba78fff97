# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a worker says to the server of its calls: put into shared memory, told of once for many.

A wake-up costs a system call and two changes of context, more than a short call itself. So answers
that come in quick succession share one: the server is told when the worker has nothing more to do,
or once 1 ms has passed since it was last told. What waits for that is safe: it lies in the ring.
"""

import os
import time
from contextlib import ExitStack

from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Channel,
    Failure,
    StreamData,
    StreamEnd,
    StreamStart,
    Wake,
    memory_file,
    pack,
)
from deepaas.execution.page import CallPage
from deepaas.execution.ring import MAX_MESSAGE_BYTES

_TELL_AFTER_S = 0.001
_FULL_PAUSE_S = 0.0005
_MAX_TEXT = 4096
#: Of a stream's bytes; its message has some more.
_PIECE_BYTES = MAX_MESSAGE_BYTES - 1024


class Outbox:
    """Used by one thread."""

    def __init__(self, control: Channel, page: CallPage) -> None:
        self._control = control
        self._ring = page.ring
        self._told_s = 0.0

    def answer(self, answer: Answer, fd: int | None = None) -> None:
        """Send an answer, whose body may be a descriptor; that is duplicated."""
        body = answer.body
        if fd is None and (body is None or len(body) < MAX_MESSAGE_BYTES):
            if self._ring.put(pack(answer)):
                self._tell_in_time()
                return
        with ExitStack() as stack:
            fds = [] if fd is None else [fd]
            if body is not None and len(body) >= INLINE_BYTES:
                fds.append(memory_file(body))
                stack.callback(os.close, fds[0])
                answer = answer._replace(body=None)
            self._control.send(answer, fds)

    def stream(self, message: StreamStart | StreamData | StreamEnd) -> None:
        """Send a part of a stream; parts stay in order, and wait for room."""
        if isinstance(message, StreamData) and len(message.data) > _PIECE_BYTES:
            for at in range(0, len(message.data), _PIECE_BYTES):
                piece = message.data[at : at + _PIECE_BYTES]
                self._put(pack(StreamData(message.call_id, piece)))
        else:
            if isinstance(message, StreamEnd) and message.failure is not None:
                message = StreamEnd(message.call_id, _shortened(message.failure))
            self._put(pack(message))

    def _put(self, data: bytes) -> None:
        while not self._ring.put(data):
            self.flush()
            time.sleep(_FULL_PAUSE_S)  # the server empties it in its next turn
        self._tell_in_time()

    def _tell_in_time(self) -> None:
        now = time.monotonic()
        if now - self._told_s >= _TELL_AFTER_S:
            self._told_s = now
            self.flush()

    def flush(self) -> None:
        """Tell the server of everything that it has not taken yet; before waiting, always."""
        if self._ring.has_unread and self._ring.claim_telling():
            self._control.send(Wake())


def _shortened(failure: Failure) -> Failure:
    """Return it with texts that fit into the ring; of a traceback the end says most."""
    return failure._replace(
        text=failure.text[:_MAX_TEXT], traceback=failure.traceback[-_MAX_TEXT:], messages=None
    )
