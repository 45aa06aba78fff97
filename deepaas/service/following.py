# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Follow what a job writes, any number of clients at once.

However many follow a job, one task looks at it, some times a second; they wake when something is
new. Files are read in the threads that all share, a block at a time, when the client has taken the
block before.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from deepaas.errors import JobNotFound, StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import Job
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Reads behind an offset, knowing whether the job has ended; gives ``None`` if there is nothing.
Reader = Callable[[int, bool], tuple[T | None, int]]

_LOOK_S: Final = 0.2
#: How long a follower hears nothing before it is told that this is so.
HEARTBEAT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Sight:
    """A job at one moment; the files are looked at after the state."""

    #: ``None`` once it was removed.
    job: Job | None
    log_bytes: int
    events_bytes: int

    @property
    def is_final(self) -> bool:
        """Whether nothing is written any more."""
        return self.job is None or self.job.state.is_final


class JobWatch:
    """Looks at one job, again and again, for all who follow it."""

    def __init__(self, store: JobStore, directory: JobDirectory) -> None:
        self._store = store
        self._directory = directory
        self.followers = 0
        self.is_closed = False
        #: Set, and replaced by another, with every change.
        self.changed = asyncio.Event()
        self._sight: Sight | None = None
        name = f"watch {directory.path.name}"
        self._task = asyncio.create_task(self._run(), name=name)

    @property
    def sight(self) -> Sight:
        """What was seen last, once :meth:`look` was awaited."""
        assert self._sight is not None, "followers look first"
        return self._sight

    async def look(self) -> None:
        """Look now, and wake the followers if something has changed.

        Raises:
            StorageUnavailable: The store cannot be read.
        """
        job: Job | None = None
        try:
            job = await self._store.get(self._directory.path.name)
        except JobNotFound:
            pass
        sight = Sight(job, *await asyncio.to_thread(_sizes, self._directory))
        if sight != self._sight:
            self._sight = sight
            self._wake()

    def close(self) -> None:
        """Look no more; followers end."""
        self.is_closed = True
        self._wake()
        self._task.cancel()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                try:
                    await self.look()
                except (StorageUnavailable, OSError) as exc:
                    logger.debug("A job that is followed cannot be looked at: %s", exc)
        finally:
            self.is_closed = True
            self._wake()


class JobWatches:
    """The jobs that are followed on this server."""

    def __init__(self) -> None:
        self._watches: dict[str, JobWatch] = {}
        self._is_closed = False

    async def follow(
        self,
        store: JobStore,
        directory: JobDirectory,
        read: Reader[T],
        offset: int,
        size: Callable[[Sight], int],
    ) -> AsyncGenerator[T | None, None]:
        """Yield what is read of a job's file, until the job has ended and all is read.

        Args:
            store: Keeps the job.
            directory: Of the job.
            read: Reads the file; runs in a thread.
            offset: Where to begin.
            size: Tells how long the file is.

        Yields:
            What ``read`` gave, or ``None`` where nothing came for :data:`HEARTBEAT_S`.
        """
        async with self._watching(store, directory) as watch:
            while not watch.is_closed:
                sight, changed = watch.sight, watch.changed
                told: T | None = None
                if offset < size(sight):
                    told, offset = await asyncio.to_thread(read, offset, sight.is_final)
                if told is not None:
                    yield told
                elif sight.is_final:
                    return
                elif not await _is_set(changed, HEARTBEAT_S):
                    yield None

    @asynccontextmanager
    async def _watching(self, store: JobStore, directory: JobDirectory) -> AsyncIterator[JobWatch]:
        job_id = directory.path.name
        watch = self._watches.get(job_id)
        if watch is None:
            watch = self._watches[job_id] = JobWatch(store, directory)
            watch.is_closed = self._is_closed
        watch.followers += 1
        try:
            await watch.look()
            yield watch
        finally:
            watch.followers -= 1
            if not watch.followers:
                watch.close()
                del self._watches[job_id]

    def close(self) -> None:
        """End all who follow, now and later."""
        self._is_closed = True
        for watch in self._watches.values():
            watch.close()


async def _is_set(event: asyncio.Event, limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await event.wait()
    except TimeoutError:
        return False


def _sizes(directory: JobDirectory) -> tuple[int, int]:
    return size_of(directory.log), size_of(directory.events)


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 while it is not there; blocks."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
