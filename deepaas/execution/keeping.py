# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Keeps what the call of a queued prediction came to, whatever the disk says to that."""

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from deepaas.errors import CallFailed, DeepaasError, TimedOut, WorkerDied
from deepaas.execution import answers
from deepaas.execution.answers import BodyWriter, KeptAnswer
from deepaas.execution.base import Result
from deepaas.execution.jobdir import NO_SPACE, End, JobDirectory
from deepaas.execution.jobevents import MAX_MESSAGE_CHARACTERS
from deepaas.execution.messages import Failure
from deepaas.execution.streams import AnswerStream, StreamFailed

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Turns a failure of a model's call into one of our errors, and logs it.
Explain = Callable[[Failure, str], DeepaasError]

STOPPED: Final = (
    "The server was stopped while it ran. It is not run again by itself: POST …/retry does so."
)
_NO_SPACE: Final = "No space was left on the server to keep the answer."
#: What may be over soon: a full disk, and too many open files.
_MAY_PASS: Final = NO_SPACE | {errno.EMFILE, errno.ENFILE}
_TRY_AGAIN_S = 0.5
#: How long an answer waits for that, in memory.
_PATIENCE_S = 30.0


class _Stopped(Exception):
    """Nobody wants the answer any more."""


class AnswerKeeper:
    """Belongs to one call; its methods return how the job ends, unless an end stands already."""

    def __init__(
        self, directory: JobDirectory, model: str, explain: Explain, *, min_free_bytes: int = 0
    ) -> None:
        """Keep nothing yet.

        Args:
            directory: Of the job.
            model: Its model.
            explain: See :data:`Explain`.
            min_free_bytes: What a long answer leaves free on the disk, or waits for.
        """
        self._directory = directory
        self._model = model
        self._explain = explain
        self._min_free_bytes = min_free_bytes
        self._stream: AnswerStream | None = None
        self._is_stopped = False
        #: Once it is set, nothing is waited for any more.
        self.is_ending = False

    def stop(self) -> None:
        """Take no more of an answer that comes piece by piece."""
        self._is_stopped = True
        if self._stream is not None:
            self._stream.break_off(_Stopped())

    async def keep(self, result: Result) -> End:
        """Keep an answer, and close its descriptor or stream; where the model fails, that counts.

        Raises:
            TimedOut, WorkerDied: A stream broke off; nothing is kept of it.
        """
        try:
            return await self._keep_whole(result)
        except _Stopped:
            return End.now("interrupted", STOPPED)
        except StreamFailed as exc:
            return await self.keep_failure(exc.failure, result.version)
        except OSError as exc:
            return End.now("error", _not_kept(exc))
        finally:
            if result.stream is not None:
                result.stream.close()
            if result.fd is not None:
                os.close(result.fd)

    async def _keep_whole(self, result: Result) -> End:
        """Keep all of an answer, or no body."""
        make = partial(BodyWriter, self._directory, self._min_free_bytes)
        writer = await self._written(make)
        try:
            await self._write_body(result, writer)
            answer = result.answer
            kept = KeptAnswer(answer.content_type, answer.filename, result.version)
            await self._written(partial(answers.keep, self._directory, kept))
        except BaseException:
            await asyncio.to_thread(answers.remove_body, self._directory)
            raise
        finally:
            writer.close()
        return kept.end

    async def _write_body(self, result: Result, writer: BodyWriter) -> None:
        if result.stream is not None:
            await self._collect(result.stream, writer)
        elif result.fd is not None:
            await self._written(partial(writer.copy, result.fd))
        else:
            await self._written(partial(writer.write, result.answer.body or b""))
        await self._written(writer.finish)

    async def _collect(self, stream: AnswerStream, writer: BodyWriter) -> None:
        self._stream = stream
        if self._is_stopped:
            self.stop()
        while data := await stream.read():
            await self._written(partial(writer.write, data))

    async def keep_failure(self, failure: Failure, version: int) -> End:
        """Keep what the call failed by; the job ends so even if that cannot be kept.

        Of a long message the job has the beginning, for lists show it; the answer is whole.
        """
        message = self._explain(failure, self._model).message[:MAX_MESSAGE_CHARACTERS]
        kept = KeptAnswer(version=version, failure=failure, message=message)
        try:
            await self._written(partial(answers.keep, self._directory, kept))
        except OSError as exc:
            logger.warning(
                "What a queued prediction failed by cannot be kept: %s.",
                exc.strerror,
                extra={"action": "answer_lost"},
            )
        return kept.end

    async def _written(self, write: Callable[[], T]) -> T:
        """Write in a thread, waiting a while for space and descriptors.

        Raises:
            OSError: It cannot be written, or could not be for too long.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + _PATIENCE_S
        while True:
            try:
                return await asyncio.to_thread(write)
            except OSError as exc:
                if exc.errno not in _MAY_PASS or self.is_ending or clock() > deadline:
                    raise
            await asyncio.sleep(_TRY_AGAIN_S)


def failure_of(exc: CallFailed | TimedOut | WorkerDied) -> Failure:
    """Return why the pool has no answer as data; ``origin`` is ``limit`` or ``worker``, or ours."""
    if isinstance(exc, CallFailed):
        return Failure(exc.type_name, exc.text, exc.traceback, exc.status)
    if isinstance(exc, TimedOut):
        limit = {"limit_s": exc.limit_s, "waiting": exc.waiting}
        return Failure("TimedOut", exc.message, messages=limit, origin="limit")
    return Failure("WorkerDied", exc.message, origin="worker")


def _not_kept(exc: OSError) -> str:
    if exc.errno in NO_SPACE:
        return _NO_SPACE
    return f"The answer cannot be kept: {exc.strerror}."
