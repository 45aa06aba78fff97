# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One queued prediction: a stored call, run once by the warm pool, and its answer kept.

A call that has begun is never begun again by itself: what a model does may cost, or change
something elsewhere. ``begun-N`` is written before the call is given to the pool. So after a crash
there are three cases: no mark, and the call goes back to the queue; a mark and an answer, and the
answer counts; a mark alone, and the job ends as interrupted.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from deepaas import telemetry
from deepaas.errors import CallFailed, TimedOut, Unavailable, WorkerDied
from deepaas.execution import answers
from deepaas.execution.attempts import delay
from deepaas.execution.base import CallTaker, Result
from deepaas.execution.jobcall import JobCall, body_file
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.keeping import STOPPED, AnswerKeeper, Explain, failure_of
from deepaas.execution.recovery import Again, decided_end, to_record
from deepaas.records import Job, JobEnd, JobState

logger = logging.getLogger(__name__)

#: What a call came to; ``None``: that cannot be written now, and the next server decides.
Outcome = JobEnd | Again | None

_REMOVED: Final = "The job's directory, or its input, was removed."
_LOST: Final = (
    "The server that ran it was gone before it had answered. It may have begun, so it is not run"
    " again by itself: POST …/retry does so."
)
_NOT_BEGUN: Final = "Its server was gone, or was stopped, before it began."
_TRY_AGAIN_S = 0.5


class StoredCall:
    """A claimed prediction of this server; :meth:`run` it once."""

    def __init__(
        self,
        job: Job,
        directory: JobDirectory,
        pool: CallTaker,
        *,
        explain: Explain,
        on_free: Callable[[], None],
        min_free_bytes: int = 0,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            job: In state running.
            directory: The job's.
            pool: Runs its model.
            explain: See :data:`Explain`.
            on_free: Called once, when the pool needs nothing of the call any more: at its end, or
                later, where it runs on though nobody waits for it.
            min_free_bytes: See :class:`AnswerKeeper`.
        """
        self.job = job
        self.directory = directory
        #: Whether the pool has it.
        self.is_handed = False
        self._pool = pool
        self._keeper = AnswerKeeper(directory, job.model, explain, min_free_bytes=min_free_bytes)
        self._on_free = on_free
        self._body_fd: int | None = None
        self._calling: asyncio.Future[Result] | None = None
        self._is_stopped = False

    async def run(self) -> Outcome:
        """Run the call, and keep its answer; return what became of the job."""
        try:
            call = await asyncio.to_thread(self._begin)
            if isinstance(call, JobEnd | Again):
                return call
            if self._is_stopped:
                return Again(None, _NOT_BEGUN)
            telemetry.request_id.set(call.request_id)
            telemetry.principal.set(call.principal)
            telemetry.model.set(self.job.model)
            telemetry.job.set(self.job.id)
            ended = await self._answered(call)
        finally:
            if not self.is_handed:
                self._free()
        return ended if isinstance(ended, Again) else await self._decide(ended)

    def stop(self) -> None:
        """Wait no longer for the answer; the pool's limits say what becomes of a call that runs."""
        self._is_stopped = True
        if self._calling is not None:
            self._calling.cancel()
        self._keeper.stop()

    def end(self) -> None:
        """Stop, since the server ends."""
        self._keeper.is_ending = True
        self.stop()

    def _begin(self) -> JobCall | JobEnd | Again:
        """Read what is to be called, and note that it is; blocks."""
        directory, attempt = self.directory, self.job.attempt
        try:
            if (end := decided_end(directory, attempt)) is not None:
                return end  # cancelled in the moment of the claim
            call = JobCall.read(directory, with_body=False)
            if call.input.body is not None:
                self._body_fd = os.open(body_file(directory), os.O_RDONLY | os.O_CLOEXEC)
            directory.begin(attempt)
        except FileNotFoundError:
            return decide(directory, attempt, End.now("error", _REMOVED))
        except OSError as exc:
            return self._again(f"Its directory cannot be used: {exc.strerror}.")
        except (KeyError, TypeError, ValueError) as exc:
            damaged = End.now("error", f"The job's call.json is damaged: {exc!r}")
            return decide(directory, attempt, damaged)
        directory.note_state(JobState.RUNNING, attempt)
        return call

    async def _answered(self, call: JobCall) -> End | Again:
        """Let the pool run the call, and keep what it gives."""
        version = 0
        try:
            self._calling = asyncio.ensure_future(self._call(call))
            result = await self._calling
            version = result.version
            failure = result.answer.failure
            if failure is not None:
                return await self._keeper.keep_failure(failure, version)
            return await self._keeper.keep(result)
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
            return End.now("interrupted", STOPPED)  # unless a cancel stands, which counts more
        except (CallFailed, TimedOut, WorkerDied) as exc:
            if isinstance(exc, TimedOut) and exc.waiting:
                return self._again(exc.message)
            if isinstance(exc, WorkerDied) and self._pool.load.is_refusing:
                return End.now("interrupted", STOPPED)
            return await self._keeper.keep_failure(failure_of(exc), version)
        except Unavailable as exc:
            return self._again(exc.message)

    async def _call(self, call: JobCall) -> Result:
        self.is_handed = True
        given = call.input
        return await self._pool.call(
            "predict",
            request_id=call.request_id,
            given=given if self._body_fd is None else replace(given, body=None),
            body_fd=self._body_fd,
            release=self._free,
            stream=call.stream,
            principal=call.principal,
            job=self.job.id,
        )

    def _free(self) -> None:
        if self._body_fd is not None:
            os.close(self._body_fd)
            self._body_fd = None
        self._on_free()

    def _again(self, message: str) -> Again:
        """Return the job to the queue: it has not begun."""
        if self._pool.load.is_refusing:
            return Again(None, _NOT_BEGUN)
        return Again(datetime.now(UTC) + delay(self.job.attempt), message)

    async def _decide(self, end: End) -> Outcome:
        """Make an end the job's, unless one stands, as soon as that can be written."""
        while True:
            try:
                return await asyncio.to_thread(decide, self.directory, self.job.attempt, end)
            except OSError as exc:
                logger.warning(
                    "The end of job %s cannot be written: %s.",
                    self.job.id,
                    exc.strerror,
                    extra={"action": "jobs_held_up", "job": self.job.id},
                )
            if self._keeper.is_ending or self._pool.load.is_refusing:
                return None
            await asyncio.sleep(_TRY_AGAIN_S)


def decide(directory: JobDirectory, attempt: int, end: End) -> JobEnd:
    """Make an end the job's unless one stands; return the one that does. Blocks.

    Raises:
        OSError: It cannot be written.
    """
    try:
        directory.decide(end)
    except FileNotFoundError:
        return to_record(End.now("error", _REMOVED))
    decided = decided_end(directory, attempt)
    assert decided is not None
    if decided.state not in (JobState.DONE, JobState.ERROR):
        answers.remove_body(directory)  # nobody can ask for it
    return decided


def judge(directory: JobDirectory, job: Job) -> JobEnd | Again:
    """Return what is to become of a prediction whose server is gone; blocks, may be repeated.

    Raises:
        OSError: That cannot be written.
    """
    if (answer := answers.read(directory)) is not None:
        return decide(directory, job.attempt, answer.end)
    is_there = directory.path.is_dir()
    if is_there and not directory.is_decided() and not directory.has_begun(job.attempt):
        return Again(None, _NOT_BEGUN)
    return decide(directory, job.attempt, End.now("interrupted", _LOST))
