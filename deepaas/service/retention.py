# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Remove jobs that have ended, the oldest first, where limits say that there are too many.

Several servers on one state directory may do so at the same time: of two that remove one job, one
does. A queued or running job is never removed, nor one whose artifacts are a version.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from deepaas.errors import Conflict, DeepaasError, StorageUnavailable, Unavailable
from deepaas.execution.apart import run_apart
from deepaas.execution.disk import used_bytes
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import Job
from deepaas.service.recent_ends import RecentEnds
from deepaas.store.sqlite_ended import EndedJob, EndedTotal, Lane, SqliteEndedJobs

logger = logging.getLogger(__name__)

#: How often to look.
_LOOK_S: Final = 30.0
#: How soon after a job's end: queued predictions may end by the hundred a second.
_SOON_S: Final = 1.0
#: At most so many jobs are read, measured or removed between two looks at the limits.
_BATCH: Final = 100
#: What goes on when the server ends gets so long; whatever is left of it goes at a later start.
_CLOSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """What is kept of the jobs that have ended; by default everything."""

    #: ``None``: however old.
    max_age: timedelta | None = None
    #: Of each model and kind, so that many of one kind take no place of another; 0: however many.
    max_count: int = 0
    #: Of all models served together; 0: however much.
    max_bytes: int = 0
    #: A job is kept so long in any case: who asks from time to time how it goes learns its end.
    min_age: timedelta = timedelta(minutes=5)

    @property
    def is_on(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.max_age or self.max_count or self.max_bytes)


class _Due(NamedTuple):
    """A job that is to go, and why."""

    job: EndedJob
    reason: str


class Retention:
    """Keeps the ended jobs of one server's models within limits."""

    def __init__(
        self,
        ended: SqliteEndedJobs,
        folder: Path,
        *,
        models: Collection[str],
        limits: RetentionLimits,
        remove: Callable[[JobDirectory], Awaitable[bool]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Remove nothing yet.

        Args:
            ended: The jobs that have ended.
            folder: Holds a directory for each job.
            models: Those of others are left alone.
            limits: What is kept.
            remove: Removes a job; false if it was gone already.
            now: The time of day.
        """
        self._ended = ended
        self._folder = folder
        self._models = models
        self._limits = limits
        self._remove_job = remove
        self._now = now
        self._wake = asyncio.Event()
        self._is_closing = False
        self._is_held_up = False
        #: Whether it is known what jobs take.
        self._are_measured = True
        #: The time of day of their ends may be wrong.
        self._recent = RecentEnds(limits.min_age)
        #: Ids of the jobs of which it was told that they cannot be removed.
        self._told: set[str] = set()
        self._soon: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, now and from time to time; without limits, never."""
        if self._limits.is_on:
            self._task = asyncio.create_task(self._run(), name="retention")

    def on_end(self, job: Job) -> None:
        """Look again soon, since a job has ended: once for all that end until then."""
        if not self._limits.is_on:
            return
        self._recent.add(job.id)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_SOON_S, self._look_now)

    def _look_now(self) -> None:
        self._soon = None
        self._wake.set()

    async def close(self) -> None:
        """Begin no removal, and finish the one that goes on, unless that takes long."""
        self._is_closing = True
        if self._soon is not None:
            self._soon.cancel()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_S)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._is_closing:
            self._wake.clear()
            await self._try_look()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _try_look(self) -> None:
        try:
            await self.look()
        except Exception as exc:
            if not self._is_held_up:
                is_ours = isinstance(exc, DeepaasError)
                logger.warning(
                    "No job is removed for now: %s",
                    exc,
                    exc_info=not is_ours,
                    extra={"action": "retention_held_up"},
                )
            self._is_held_up = True
        else:
            self._is_held_up = False

    async def look(self) -> None:
        """Remove what is beyond the limits now.

        Raises:
            StorageUnavailable: The store, or the folder, cannot be used.
        """
        if self._limits.max_bytes:
            await self._try_measure()
        kept: dict[str, EndedJob] = {}
        while due := await self._find_due(kept):
            for job, reason in due:
                if self._is_closing:
                    return
                if not await self._remove(job, reason):
                    kept[job.id] = job
        self._told &= kept.keys()

    async def _try_measure(self) -> None:
        """Measure; if that fails, only the limit that needs it is not kept, and that is told."""
        try:
            await self._measure()
        except StorageUnavailable as exc:
            if self._are_measured:
                logger.warning(
                    "It cannot be noted what jobs take; jobs-max-size waits: %s",
                    exc,
                    extra={"action": "retention_unmeasured"},
                )
            self._are_measured = False
        else:
            self._are_measured = True

    async def _measure(self) -> None:
        """Note what jobs take on the disk, of each once."""
        while not self._is_closing:
            found = await self._ended.unmeasured(self._models, limit=_BATCH)
            if not found:
                return
            sizes = {
                job_id: await run_apart(partial(used_bytes, self._folder / job_id))
                for job_id in found
            }
            await self._ended.note_disk_bytes(sizes)

    async def _find_due(self, kept: dict[str, EndedJob]) -> list[_Due]:
        """Return some jobs that are to go, those first that ended first; none: all is well.

        Args:
            kept: Jobs that could not be removed; none other goes in their place.
        """
        totals = await self._ended.totals(self._models)
        return (
            await self._too_old(totals, kept)
            or await self._too_many(totals, kept)
            or await self._too_large(totals, kept)
        )

    async def _too_old(self, lanes: Collection[Lane], kept: dict[str, EndedJob]) -> list[_Due]:
        if self._limits.max_age is None:
            return []
        age = max(self._limits.max_age, self._limits.min_age)
        reason = f"it ended more than {_days(self._limits.max_age)} ago (jobs-max-age)"
        return [_Due(job, reason) for job in await self._oldest(lanes, age, kept)]

    async def _too_many(
        self, totals: dict[Lane, EndedTotal], kept: dict[str, EndedJob]
    ) -> list[_Due]:
        if not self._limits.max_count:
            return []
        reason = f"of its model and kind, more than {self._limits.max_count} have ended"
        found: list[_Due] = []
        for lane, total in totals.items():
            spared = sum(job.lane == lane for job in kept.values())
            excess = total.jobs - spared - self._limits.max_count
            if excess > 0:
                jobs = await self._oldest([lane], self._limits.min_age, kept, limit=excess)
                found += (_Due(job, f"{reason} (jobs-max-count)") for job in jobs)
        return sorted(found)

    async def _too_large(
        self, totals: dict[Lane, EndedTotal], kept: dict[str, EndedJob]
    ) -> list[_Due]:
        if not (self._limits.max_bytes and self._are_measured):
            return []
        spared = sum(job.disk_bytes or 0 for job in kept.values())
        taken = sum(total.disk_bytes for total in totals.values())
        excess = taken - spared - self._limits.max_bytes
        if excess <= 0:
            return []
        reason = f"ended jobs take more than {self._limits.max_bytes:,} bytes (jobs-max-size)"
        jobs = await self._oldest(totals, self._limits.min_age, kept)
        return [_Due(job, reason) for job in _worth(jobs, excess)]

    async def _oldest(
        self,
        lanes: Collection[Lane],
        age: timedelta,
        kept: Collection[str],
        *,
        limit: int = _BATCH,
    ) -> list[EndedJob]:
        found = await self._ended.oldest(
            lanes, before=self._now() - age, excluded=kept, limit=min(limit, _BATCH)
        )
        return [job for job in found if job.id not in self._recent]

    async def _remove(self, job: EndedJob, reason: str) -> bool:
        """Remove a job; false if it is still there. Of a failure is told once.

        Raises:
            Unavailable: No job could be removed now.
        """
        try:
            was_there = await self._remove_job(JobDirectory(self._folder / job.id))
        except Conflict:
            return False  # it was promoted in between
        except Unavailable:
            raise
        except (OSError, DeepaasError) as exc:
            if job.id not in self._told:
                logger.warning(
                    "Job %s cannot be removed; that is tried again: %s",
                    job.id,
                    exc,
                    extra={"action": "job_left", "job": job.id},
                )
            self._told.add(job.id)
            return False
        if was_there:
            logger.info(
                "Removed job %s of model %s: %s.",
                job.id,
                job.lane.model,
                reason,
                extra={"action": "job_removed", "job": job.id, "model": job.lane.model},
            )
        return True


def _worth(jobs: list[EndedJob], excess: int) -> Iterator[EndedJob]:
    """Yield the first jobs that together take no less than the excess."""
    for job in jobs:
        if excess <= 0:
            return
        excess -= job.disk_bytes or 0
        yield job


def _days(age: timedelta) -> str:
    days = age / timedelta(days=1)
    return f"{days:g} days" if days >= 1 else f"{age / timedelta(hours=1):g} hours"
