# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Follows running jobs to their end: those of this server, and those whose server is gone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from deepaas.errors import JobNotFound
from deepaas.execution.attempts import Cause, conclude
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.presence import ServerPresence
from deepaas.execution.processes import kill_all
from deepaas.execution.recovery import Again, decided_end, settle
from deepaas.records import PROCESS_KINDS, Job, JobEnd, JobPlace, JobState, Training
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

_PAGE = 1000


@dataclass(slots=True)
class Followed:
    """A running job that this server follows."""

    job: Job
    #: Whether the guard is our child, so that its end is told to us.
    is_ours: bool
    has_ended: bool = False


class JobFollower:
    """Knows the running jobs of one server, and records what becomes of them."""

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        *,
        presence: ServerPresence,
        models: Collection[str],
        before_end: Callable[[Job], Awaitable[object]] | None = None,
        on_end: Callable[[Job], object] = lambda job: None,
    ) -> None:
        """Follow nothing yet.

        Args:
            store: Where ends are recorded.
            folder: Holds a directory for each job.
            presence: This server's place among those that share the store.
            models: Jobs of others are left alone.
            before_end: Called with each job whose end is about to be recorded; raises nothing.
            on_end: Called with each job that was followed to its end, once it is recorded.
        """
        self._store = store
        self._folder = folder
        self._presence = presence
        self._models = models
        self._before_end = before_end
        self._on_end = on_end
        self._followed: dict[str, Followed] = {}

    def __len__(self) -> int:
        """Return how many jobs are followed."""
        return len(self._followed)

    def __contains__(self, job_id: object) -> bool:
        """Whether a job is followed."""
        return job_id in self._followed

    @property
    def has_adopted(self) -> bool:
        """Whether there are jobs whose end nobody tells."""
        return any(not followed.is_ours for followed in self._followed.values())

    def follow(self, followed: Followed) -> None:
        """Follow a job that this server has started."""
        self._followed[followed.job.id] = followed

    async def adopt(self) -> None:
        """Follow the running jobs of servers that are gone."""
        for job in await self._store.running():
            if job.id in self._followed or job.model not in self._models:
                continue
            if job.kind not in PROCESS_KINDS:
                continue
            if await asyncio.to_thread(self._presence.is_alive, job.server):
                continue
            adopted = await self._store.adopt(
                job.id, old_server=job.server, server=self._presence.id
            )
            if adopted is not None:
                logger.info(
                    "Follows job %s, whose server is gone.",
                    job.id,
                    extra={"action": "job_adopted", "job": job.id},
                )
                self._followed[job.id] = Followed(adopted, is_ours=False)

    async def settle(self) -> None:
        """Record the end of the jobs that have ended; one that cannot be holds up no other."""
        failures = []
        for followed in list(self._followed.values()):
            if followed.is_ours and not followed.has_ended:
                continue
            try:
                await self._settle_one(followed.job)
            except JobNotFound:
                self._followed.pop(followed.job.id, None)  # its record is gone: nothing is to do
            except Exception as exc:  # noqa: BLE001 - raised below
                failures.append(exc)
        if failures:
            raise failures[0]

    async def _settle_one(self, job: Job) -> None:
        match await asyncio.to_thread(settle, JobDirectory(self._folder / job.id), job):
            case None:
                return
            case Again() as again:
                await self._queue_again(job, again)
            case JobEnd() as end:
                await self._finish(job, end)
        self._followed.pop(job.id, None)

    async def _finish(self, job: Job, end: JobEnd) -> None:
        if self._before_end is not None:
            await self._before_end(job)
        self._on_end(await self._store.finish(job.id, end))
        logger.info(
            "Job %s of model %s ended: %s.",
            job.id,
            job.model,
            end.state,
            extra={"action": "job_ended", "job": job.id, "state": end.state},
        )

    async def _queue_again(self, job: Job, again: Again) -> None:
        queued = await self._store.unclaim(
            job.id,
            server=self._presence.id,
            not_before=again.not_before,
            message=again.message,
        )
        logger.info(
            "Job %s of model %s is queued again. %s",
            job.id,
            job.model,
            again.message,
            extra={"action": "job_queued_again", "job": job.id, "attempt": job.attempt + 1},
        )
        if queued is not None:
            # A cancel that came in between saw a running job, and left the record to us.
            await self._finish_decided(queued)

    async def finish_queued(self) -> None:
        """Record the ends of queued jobs that a server decided and, killed, did not record."""
        after: JobPlace | None = None
        while True:
            queued = await self._store.list(
                states=[JobState.QUEUED],
                include_hidden=True,
                oldest_first=True,
                after=after,
                limit=_PAGE,
            )
            for job in queued:
                if job.kind in PROCESS_KINDS:
                    await self._finish_decided(job)
            if len(queued) < _PAGE:
                return
            after = JobPlace(queued[-1].created, queued[-1].id)

    async def _finish_decided(self, job: Job) -> None:
        directory = JobDirectory(self._folder / job.id)
        end = await asyncio.to_thread(decided_end, directory, job.attempt)
        if end is not None:
            await self._finish(job, end)

    async def stop_all(self) -> None:
        """Let the guards of all jobs end them as interrupted."""
        for followed in list(self._followed.values()):
            try:
                await asyncio.to_thread(self._stop, followed.job)
            except OSError as exc:
                # It goes on, and the next server follows it.
                logger.error("Job %s cannot be stopped: %s", followed.job.id, exc.strerror)

    def _stop(self, job: Job) -> None:
        end = End.now("interrupted", "The server was stopped.")
        training = Training(job.resumable, job.retries)
        directory = JobDirectory(self._folder / job.id)
        if directory.path.is_dir():
            conclude(directory, job.attempt, training, end, Cause.STOPPED)

    async def kill_all(self) -> None:
        """Kill the processes of all jobs; their guards record what is left to record."""
        for job_id in list(self._followed):
            await asyncio.to_thread(kill_all, job_id)
