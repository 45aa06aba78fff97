# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A call between the client that waits and the worker that answers."""

import asyncio
import os
from collections.abc import Callable

from deepaas.execution.base import Result
from deepaas.execution.messages import Answer, Call
from deepaas.execution.streams import AnswerStream
from deepaas.execution.workers import Worker


class Pending:
    """A call on its way; its resources are released when nobody needs them any more."""

    __slots__ = (
        "accepted_s",
        "body_fd",
        "call",
        "future",
        "is_abandoned",
        "is_counted",
        "lost",
        "release",
        "stream",
    )

    def __init__(self, call: Call, body_fd: int | None, release: Callable[[], None] | None) -> None:
        self.call = call
        self.body_fd = body_fd
        self.release = release
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.accepted_s = call.accepted_s
        #: How many workers took it and died before they began it.
        self.lost = 0
        self.stream: AnswerStream | None = None
        #: Nobody waits for the answer any more.
        self.is_abandoned = False
        #: It is known what became of it.
        self.is_counted = False

    def begin_stream(self, worker: Worker, content_type: str, slot: int) -> None:
        """Tell whoever waits that the answer comes piece by piece."""
        call_id = self.call.id
        self.stream = AnswerStream(
            lambda count: worker.passed_on(slot, count), lambda: worker.cancel(call_id)
        )
        if self.future.done():  # it timed out, or its client has left
            self.stream.close()
        else:
            answer = Answer(call_id, content_type)
            self.future.set_result(Result(answer, None, self.stream, worker.version.number))

    def give_up(self, error: Exception) -> None:
        """Tell whoever waits; the call may still run."""
        if self.stream is not None:
            self.stream.break_off(error)
        elif not self.future.done():
            self.future.set_exception(error)

    def leave(self) -> None:
        """Note that whoever waited has left; what it was given and never saw is released."""
        self.is_abandoned = True
        if not self.future.done() or self.future.cancelled() or self.future.exception():
            return
        result = self.future.result()
        if result.fd is not None:
            os.close(result.fd)
        if result.stream is not None:
            result.stream.close()

    def end(self, result: Result | None, error: Exception | None = None) -> None:
        """Tell whoever waits, and release what the call held."""
        if error is not None:
            self.give_up(error)
        elif result is not None:
            if not self.future.done():
                self.future.set_result(result)
            elif result.fd is not None:
                os.close(result.fd)
        if self.release is not None:
            self.release()
