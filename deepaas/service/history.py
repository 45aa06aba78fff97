# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The whole view of the jobs of the served models, those that left the contract's view too."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from deepaas.auth import Principal
from deepaas.errors import ArtifactNotFound, Conflict, JobNotEnded, JobNotFound
from deepaas.execution.artifacts import Artifact, list_artifacts, open_artifact
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.joblog import read_log
from deepaas.execution.journal import (
    Entry,
    last_events,
    last_progress,
    metric_series,
    read_events,
)
from deepaas.execution.logtext import LogPiece, LogReader, tail_offset
from deepaas.execution.provenance import read_record
from deepaas.execution.recovery import to_record
from deepaas.records import Job, JobPlace, JobState
from deepaas.service.following import JobWatches, size_of
from deepaas.service.jobs import JobService
from deepaas.service.ownership import require_change, sees_all
from deepaas.service.removing import remove_ended
from deepaas.service.versions import VersionService

T = TypeVar("T")


class JobView(NamedTuple):
    """A job as its directory has it, which may know of an end before the store does."""

    job: Job
    #: What it last reported, ``None`` if nothing.
    progress: Mapping[str, Any] | None


class JobPage(NamedTuple):
    """Some jobs in order."""

    views: list[JobView]
    #: Where the next page begins, ``None`` if this is the last one.
    next: JobPlace | None


class JobHistory:
    """Shows, follows, cancels and removes jobs.

    Its methods raise what :meth:`JobService.kept` does, and
    :class:`~deepaas.errors.JobNotFound` for a job that the model does not have, or that the
    principal may not see: the two are told in the same words.
    """

    def __init__(self, jobs: JobService, versions: VersionService) -> None:
        self._jobs = jobs
        self._versions = versions
        self._watches = JobWatches()
        # One thread of its own: hashing what is large takes none from those who cancel and end
        # jobs, and who asks meanwhile for the same files finds them sealed. It ends with this.
        self._sealer = ThreadPoolExecutor(1, "seal")

    def close(self) -> None:
        """End all who follow a job; may be called twice."""
        self._watches.close()

    async def page(
        self,
        model: str,
        principal: Principal,
        *,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        oldest_first: bool = False,
        after: JobPlace | None = None,
        limit: int = 100,
    ) -> JobPage:
        """Return some jobs that the principal made, or may see; see :meth:`JobStore.list`."""
        store, runner = self._jobs.kept(model)
        is_for_all = sees_all(principal, model)
        if not is_for_all and principal.name is None:
            return JobPage([], None)  # nothing says which are this caller's
        # One more than is shown tells whether there is another page.
        found = await store.list(
            model,
            kind=kind,
            states=states,
            owner=None if is_for_all else principal.name,
            include_hidden=True,
            oldest_first=oldest_first,
            after=after,
            limit=limit + 1,
            with_results=False,
        )
        jobs = found[:limit]

        def look() -> list[JobView]:
            return [_view(job, runner.directory(job.id)) for job in jobs]

        views = await asyncio.to_thread(look)
        last = jobs[-1] if len(found) > limit else None
        return JobPage(views, None if last is None else JobPlace(last.created, last.id))

    async def view(self, model: str, job_id: str, principal: Principal) -> JobView:
        """Return one job."""
        job, directory = await self._find(model, job_id, principal)
        return await asyncio.to_thread(_view, job, directory)

    async def cancel(self, model: str, job_id: str, principal: Principal) -> JobView:
        """Cancel a job if it has not ended; return it as it ended. May be repeated.

        Raises:
            Forbidden: The principal may not do that with it.
        """
        job, directory = await self._find(model, job_id, principal)
        require_change(principal, job)
        _, runner = self._jobs.kept(model)
        job = await runner.cancel(job_id)
        return await asyncio.to_thread(_view, job, directory)

    async def remove(self, model: str, job_id: str, principal: Principal) -> None:
        """Forget a job that has ended, with its directory.

        Raises:
            Forbidden: The principal may not do that with it.
            JobNotEnded: It has not, or its processes are still there.
            Conflict: What it made is a version of the model, or is being evaluated as one.
        """
        found, directory = await self._find(model, job_id, principal)
        require_change(principal, found)
        job = await self._jobs.recorded(model, job_id, principal)
        if not job.state.is_final:
            raise JobNotEnded(job_id)
        store, runner = self._jobs.kept(model)
        await remove_ended(directory, server=runner.server, store=store, versions=self._versions)

    async def result(self, model: str, job_id: str, principal: Principal) -> str:
        """Return what the job's function returned, as JSON text.

        Raises:
            Conflict: The job has not ended, or it has no result.
        """
        job, _ = await self.view(model, job_id, principal)
        if job.state is not JobState.DONE:
            what = f"ended as {job.state}" if job.state.is_final else f"is {job.state}"
            raise Conflict(f"The job {job_id!r} {what}: it has no result.")
        return job.result or "null"

    async def metrics(
        self, model: str, job_id: str, principal: Principal
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the job's metrics as series; see :func:`metric_series`."""
        _, directory = await self._find(model, job_id, principal)
        return await asyncio.to_thread(metric_series, directory.events)

    async def artifacts(self, model: str, job_id: str, principal: Principal) -> Sequence[Artifact]:
        """Return the files that the job made."""
        job, directory = await self._find(model, job_id, principal)
        is_final = job.state.is_final
        files = await asyncio.to_thread(list_artifacts, directory, is_final=is_final, seals=False)
        if not is_final or all(file.sha256 is not None for file in files):
            return files
        sealing = partial(list_artifacts, directory, is_final=True)
        return await asyncio.get_running_loop().run_in_executor(self._sealer, sealing)

    async def record(
        self, model: str, job_id: str, principal: Principal
    ) -> Mapping[str, Any] | None:
        """Return how they were made, ``None`` where that is not known; see ``record.json``."""
        _, directory = await self._find(model, job_id, principal)
        return await asyncio.to_thread(read_record, directory)

    async def open_artifact(
        self, model: str, job_id: str, principal: Principal, path: str
    ) -> tuple[int, Artifact]:
        """Open a file that the job made; the caller closes the descriptor.

        Raises:
            ArtifactNotFound: There is none of that path.
        """
        job, directory = await self._find(model, job_id, principal)
        is_final = job.state.is_final
        opening = partial(open_artifact, directory, path, is_final=is_final)
        try:
            fd, file = await _opened(None, partial(opening, seals=False))
            if not is_final or file.sha256 is not None:
                return fd, file
            os.close(fd)
            return await _opened(self._sealer, opening)
        except FileNotFoundError as exc:
            raise ArtifactNotFound(path) from exc

    async def open_log(self, model: str, job_id: str, principal: Principal) -> int:
        """Open the job's log, as far as it is written; the caller closes the descriptor."""
        _, directory = await self._find(model, job_id, principal)
        fd, _ = await _opened(None, lambda: (_open(directory.log), None))
        return fd

    async def log_reader(
        self, model: str, job_id: str, principal: Principal
    ) -> Callable[[int, int], tuple[bytes, int]]:
        """Return what reads the job's log behind an offset; it blocks, see :func:`read_log`."""
        _, directory = await self._find(model, job_id, principal)
        return partial(read_log, directory.log)

    async def last_events(
        self, model: str, job_id: str, principal: Principal
    ) -> list[Mapping[str, Any]]:
        """Return the job's newest events, oldest first."""
        _, directory = await self._find(model, job_id, principal)
        return [event for _, event in await asyncio.to_thread(last_events, directory.events)]

    async def log_start(
        self, model: str, job_id: str, principal: Principal, lines: int | None
    ) -> int:
        """Return where the last lines of the log begin; of all lines, at its beginning."""
        _, directory = await self._find(model, job_id, principal)
        if lines is None:
            return 0
        return await asyncio.to_thread(tail_offset, directory.log, lines)

    async def has_log_behind(
        self, model: str, job_id: str, principal: Principal, offset: int
    ) -> bool:
        """Whether there is text behind an offset of the log, or may still come."""
        job, directory = await self._find(model, job_id, principal)
        return not job.state.is_final or offset < await asyncio.to_thread(size_of, directory.log)

    async def has_events_behind(
        self, model: str, job_id: str, principal: Principal, offset: int
    ) -> bool:
        """Whether there are events behind an offset, or may still come."""
        job, directory = await self._find(model, job_id, principal)
        size = await asyncio.to_thread(size_of, directory.events)
        if not job.state.is_final or offset < size:
            return True
        # Behind all that is written is who was told the end that the events do not tell.
        return offset == size and await self._missing_end(model, job_id, principal) is not None

    async def follow_log(
        self, model: str, job_id: str, principal: Principal, offset: int
    ) -> AsyncGenerator[LogPiece | None, None]:
        """Yield the log's text from an offset on, until the job has ended; ``None`` in between."""
        store, _ = self._jobs.kept(model)
        _, directory = await self._find(model, job_id, principal)
        reader = await asyncio.to_thread(LogReader, directory.log, offset)
        following = self._watches.follow(
            store, directory, reader.read, offset, lambda sight: sight.log_bytes
        )
        async with aclosing(following):
            async for piece in following:
                yield piece

    async def follow_events(
        self, model: str, job_id: str, principal: Principal, offset: int
    ) -> AsyncGenerator[list[Entry] | None, None]:
        """Yield the events from an offset on, the last one a final state; ``None`` in between."""
        store, _ = self._jobs.kept(model)
        _, directory = await self._find(model, job_id, principal)

        def read(start: int, is_ended: bool) -> tuple[list[Entry] | None, int]:
            entries, end = read_events(directory.events, start)
            return (entries if end > start else None), end

        following = self._watches.follow(
            store, directory, read, offset, lambda sight: sight.events_bytes
        )
        async with aclosing(following):
            async for entries in following:
                yield entries
        if (end := await self._missing_end(model, job_id, principal)) is not None:
            yield [end]

    async def final_state(self, model: str, job_id: str, principal: Principal) -> JobState | None:
        """Return the state in which a job ended, ``None`` if it has not or was removed."""
        try:
            job, _ = await self._find(model, job_id, principal)
        except JobNotFound:
            return None
        return job.state if job.state.is_final else None

    async def _missing_end(self, model: str, job_id: str, principal: Principal) -> Entry | None:
        """Return the final state of a job that has ended, where its events do not tell it.

        Its offset is behind all that is written, for :meth:`has_events_behind`.
        """
        try:
            job, directory = await self._find(model, job_id, principal)
        except JobNotFound:
            return None
        if not job.state.is_final:
            return None
        entries = await asyncio.to_thread(last_events, directory.events)
        if entries and entries[-1].event.get("state") == job.state:
            return None
        return Entry(await asyncio.to_thread(size_of, directory.events) + 1, _end_event(job))

    async def _find(
        self, model: str, job_id: str, principal: Principal
    ) -> tuple[Job, JobDirectory]:
        _, runner = self._jobs.kept(model)
        return await self._jobs.find(model, job_id, principal), runner.directory(job_id)


def _view(job: Job, directory: JobDirectory) -> JobView:
    if not job.state.is_final:
        try:
            end = directory.end()
        except (OSError, TypeError, ValueError):
            end = None  # whoever follows the job judges that
        if end is not None:
            decided = to_record(end)
            job = job.evolve(
                state=decided.state,
                finished=decided.finished,
                message=decided.message,
                result=decided.result,
            )
    return JobView(job, last_progress(directory.events, job.attempt))


async def _opened(executor: Executor | None, open_: Callable[[], tuple[int, T]]) -> tuple[int, T]:
    """Open a file in a thread; it is closed if who wanted it goes away meanwhile."""
    opening = asyncio.get_running_loop().run_in_executor(executor, open_)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[tuple[int, Any]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result()[0])


def _open(path: Path) -> int:
    """Open a file for reading; one that is not there yet is empty."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _end_event(job: Job) -> dict[str, Any]:
    finished = job.finished
    return {
        "time": finished and finished.isoformat(timespec="microseconds"),
        "event": "state",
        "state": job.state.value,
        "attempt": job.attempt,
        "message": job.message,
    }
