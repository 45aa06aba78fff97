# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Claims queued jobs while slots are free, and starts them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deepaas.errors import GuardFailed, JobNotFound
from deepaas.execution.base import Executor
from deepaas.execution.basis import note_basis
from deepaas.execution.environment import worker_environment
from deepaas.execution.following import Followed, JobFollower
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.local import python
from deepaas.execution.messages import Begin
from deepaas.execution.recovery import note_end, to_record
from deepaas.records import PROCESS_KINDS, Job, ModelSource, ServedVersion, Training
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

_MAX_GUARD_FAILURES = 3


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What jobs may use, and what they get."""

    #: How many jobs of the models served run at once, on all servers of the store together.
    slots: int = 1
    #: Seconds between SIGTERM and SIGKILL.
    cancel_grace_s: float = 5.0
    #: Cap of the log of one job, 0 for none.
    max_log_bytes: int = 0
    #: What must be free on the disk for another job to be accepted, 0 for nothing.
    min_free_bytes: int = 0


class JobClaimer:
    """Starts the jobs of one server; what it has started goes to the follower."""

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        *,
        server: str,
        executor: Executor,
        sources: Mapping[str, ModelSource],
        limits: JobLimits,
        follower: JobFollower,
        wake: Callable[[], None],
        served: Callable[[str], ServedVersion],
    ) -> None:
        """Start nothing yet.

        Args:
            store: Where the jobs are queued.
            folder: Holds a directory for each job.
            server: Id of this server.
            executor: Starts the guards.
            sources: The models served; jobs of others are left alone.
            limits: See :class:`JobLimits`.
            follower: Told of what has started.
            wake: Called when a job that was started has ended.
            served: Tells which version of a model is served.
        """
        self._store = store
        self._folder = folder
        self._server = server
        self._executor = executor
        self._models = list(sources)
        self._limits = limits
        self._follower = follower
        self._wake = wake
        self._served = served
        self._guard_failures: Counter[str] = Counter()
        #: Set when no job is to be started any more; one that is being claimed stays queued.
        self.is_closing = False

    async def claim(self) -> None:
        """Start queued jobs while slots are free."""
        while not self.is_closing:
            job = await self._store.next_queued(
                self._models, self._limits.slots, kinds=PROCESS_KINDS, now=datetime.now(UTC)
            )
            if job is None or not await self._start(job):
                return

    async def _start(self, job: Job) -> bool:
        """Start a job; false if that is for another round, or another server."""
        directory = JobDirectory(self._folder / job.id)
        if not await asyncio.to_thread(directory.path.is_dir):
            end = End.now("error", "The job's directory was removed before it could start.")
            await self._finish(job, end)
            return True
        followed = Followed(job, is_ours=True)
        gone = asyncio.Event()

        def ended() -> None:
            followed.has_ended = True
            gone.set()
            self._wake()

        try:
            process = await self._executor.start_job(directory, ended)
        except GuardFailed as exc:
            return await self._has_given_up(job, exc)
        if process is None:
            return False  # another server is at it
        try:
            if self.is_closing or not await self._claim(followed):
                return False
            await asyncio.to_thread(note_basis, directory, self._served(job.model))
            process.begin(self._begin(directory, followed.job))
        except JobNotFound:
            pass  # cancelled and removed while its guard started
        except OSError as exc:
            # The guard is gone, or the directory cannot be written; the job is settled, and queued
            # again, in the next round.
            logger.warning("Job %s ended before it began: %s.", job.id, exc.strerror)
        finally:
            process.abandon()
            if job.id not in self._follower:
                await gone.wait()  # a guard that never began leaves at once
        return True

    async def _claim(self, followed: Followed) -> bool:
        claimed = await self._store.claim(
            followed.job.id,
            server=self._server,
            models=self._models,
            kinds=PROCESS_KINDS,
            slots=self._limits.slots,
            now=datetime.now(UTC),
        )
        if claimed is None:
            return False
        followed.job = claimed
        self._follower.follow(followed)
        return True

    async def _has_given_up(self, job: Job, exc: GuardFailed) -> bool:
        """End a job whose guard fails again and again, which would hold up all behind it."""
        self._guard_failures[job.id] += 1
        if self._guard_failures[job.id] < _MAX_GUARD_FAILURES:
            return False
        logger.error("Job %s: %s", job.id, exc.message, extra={"action": "guard_failed"})
        end = End.now("error", exc.message)
        await asyncio.to_thread(note_end, JobDirectory(self._folder / job.id), job.attempt, end)
        await self._finish(job, end)
        return True

    async def _finish(self, job: Job, end: End) -> None:
        try:
            await self._store.finish(job.id, to_record(end))
        except JobNotFound:
            pass  # cancelled and removed since it was found in the queue

    def _begin(self, directory: JobDirectory, job: Job) -> Begin:
        where = (str(directory.path), str(job.attempt))
        return Begin(
            python("deepaas.execution.worker", job.kind, *where),
            worker_environment(1),
            job.attempt,
            self._limits.cancel_grace_s,
            Training(job.resumable, job.retries),
            self._limits.max_log_bytes,
            job.kind,
        )
