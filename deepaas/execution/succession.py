# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Workers that follow workers while calls go on: for a renewal, and for another version.

Each next one is a candidate: it loads and warms the model beside the one that it will replace, and
takes no call before it is let to. One that fails changes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from deepaas.errors import ModelLoadError, OutOfMemory, Unavailable
from deepaas.execution.crew import LEAVES_S, Crew
from deepaas.execution.workers import Worker
from deepaas.records import ModelSource, ServedVersion

logger = logging.getLogger(__name__)

_CLOSING = "The service is shutting down."


class Succession:
    """Replaces the workers of one crew; one renewal or switch at a time."""

    def __init__(self, source: ModelSource, crew: Crew) -> None:
        self._source = source
        self._crew = crew
        self._lock = asyncio.Lock()
        #: Set by a switch that comes: what went on before is not wanted any more.
        self._superseded = asyncio.Event()
        #: Loads beside the worker that it is to replace; a switch that comes ends it.
        self._follower: Worker | None = None
        self._in_place = False
        self._following: asyncio.Task[None] | None = None

    async def renew(self) -> None:
        """Replace the workers one by one: each leaves when the next one is ready.

        A switch that comes meanwhile takes over; what it leaves as it was is renewed after it.

        Raises:
            ModelLoadError: The model cannot be loaded now; the workers that were there stay.
        """
        old = frozenset(self._crew.workers)
        left = list(range(self._crew.size))
        while left and not self._crew.is_closing:
            # A switch that has come waits for the lock already, and gets it first.
            async with self._lock:
                while left and not self._is_over:
                    if self._is_old(left[0], old):
                        try:
                            await self._succeed(left[0])
                        except ModelLoadError:
                            if not self._superseded.is_set():
                                raise
                            break
                    left.pop(0)

    def _is_old(self, index: int, old: Collection[Worker]) -> bool:
        """Whether a place is empty, or has one of these workers that no other will follow."""
        there, version = self._crew.at(index), self._crew.version
        return not there or any(each in old and each.version == version for each in there)

    async def switch(
        self,
        version: ServedVersion,
        *,
        commit: Callable[[], Awaitable[object]],
        in_place: bool = False,
    ) -> None:
        """Serve another version; returns when its first worker serves, and the others follow.

        Args:
            version: What the workers are to serve.
            commit: Awaited once the first candidate is warm, before it takes a call: makes the
                choice durable.
            in_place: Whether each worker ends before the next one begins to load, since memory does
                not allow two; calls wait meanwhile. It is done anyway where a candidate shows it.

        Raises:
            ModelLoadError: The version cannot be loaded. Nothing has changed.
            Unavailable: The pool is closed. Nothing has changed.
            Exception: What ``commit`` raised. Nothing has changed.
        """
        self._superseded.set()
        if self._follower is not None:
            self._follower.kill()
        try:
            async with self._lock:
                self._superseded.clear()
                if self._crew.version == version:
                    await commit()
                else:
                    await self._change(version, commit, in_place)
        finally:
            # Also after a failure: what an earlier switch had left to do was stopped above.
            self._superseded.clear()
            self._go_on()

    async def _change(
        self, version: ServedVersion, commit: Callable[[], Awaitable[object]], in_place: bool
    ) -> None:
        candidate, self._in_place = await self._first(version, in_place)
        try:
            await commit()
        except BaseException:
            candidate.stop(LEAVES_S)
            self._crew.fill(0)
            raise
        self._crew.version = version
        if candidate.is_waiting:
            self._install(candidate)
        else:
            # In place, nobody is left there; otherwise the workers that serve are followed.
            self._crew.fill(candidate.index)

    async def _first(self, version: ServedVersion, in_place: bool) -> tuple[Worker, bool]:
        """Return a candidate that is warm, and whether memory does not allow two."""
        if not in_place:
            try:
                return await self._candidate(0, version), False
            except OutOfMemory as exc:
                logger.warning(
                    "Version %d of model %s does not fit beside the one that is served, which"
                    " stops first: %s",
                    version.number,
                    self._source.name,
                    exc.message,
                    extra={"action": "promote_in_place", "model": self._source.name},
                )
        try:
            await self._vacate(0)
            return await self._candidate(0, version), True
        except BaseException:
            self._crew.fill(0)
            raise

    async def _candidate(self, index: int, version: ServedVersion) -> Worker:
        """Start a candidate and return it when it is warm."""
        if self._crew.is_closing:
            raise Unavailable(_CLOSING)
        candidate = self._crew.start_worker(index, version)
        try:
            await asyncio.shield(candidate.loaded)
            if not candidate.is_waiting:  # gone before we heard that it was ready
                raise self._ended_at_once()
        except asyncio.CancelledError:
            candidate.kill()
            raise
        except ModelLoadError:
            candidate.stop(LEAVES_S)
            # Until then it may hold the memory that is lacking.
            await asyncio.shield(candidate.ended)
            if self._crew.is_closing:
                raise Unavailable(_CLOSING) from None
            raise
        return candidate

    async def _succeed(self, index: int) -> None:
        """Replace the worker of a place by one of the version that is served."""
        self._follower = follower = self._crew.start_worker(index, self._crew.version)
        try:
            try:
                await asyncio.shield(follower.loaded)
            except ModelLoadError:
                follower.stop(LEAVES_S)
                raise
            if not follower.is_waiting:  # killed meanwhile by a switch that comes, perhaps
                raise self._ended_at_once()
            self._install(follower)
        finally:
            self._follower = None

    def _install(self, candidate: Worker) -> None:
        """Let a candidate serve, and the worker of its place finish and end."""
        leaving = self._crew.at(candidate.index)
        candidate.let_serve()
        for worker in leaving:
            self._crew.send_off(worker)

    async def _vacate(self, index: int) -> None:
        """Let the worker of a place finish and end, however long that takes."""
        leaving = self._crew.at(index)
        for worker in leaving:
            self._crew.send_off(worker)
        await asyncio.gather(*(asyncio.shield(worker.ended) for worker in leaving))

    def _go_on(self) -> None:
        if self._crew.is_closing or (self._following is not None and not self._following.done()):
            return
        self._following = asyncio.create_task(self._follow(), name="workers follow")

    async def _follow(self) -> None:
        """Bring every place to the version that is served."""
        async with self._lock:
            while not self._is_over and (index := self._behind()) is not None:
                if self._in_place:
                    await self._give_place(index)
                    continue
                try:
                    await self._succeed(index)
                except ModelLoadError as exc:
                    if not self._is_over:
                        self._report(exc)
                        # There is no way back: the version is served.
                        await self._give_place(index)

    async def _give_place(self, index: int) -> None:
        """Let the worker of a place end, and then the next one start, which is tried for ever."""
        await self._vacate(index)
        self._crew.fill(index)
        superseded = asyncio.create_task(self._superseded.wait())
        loading: set[asyncio.Future[None]] = {worker.loaded for worker in self._crew.at(index)}
        if loading:
            await asyncio.wait(loading | {superseded}, return_when=asyncio.FIRST_COMPLETED)
        superseded.cancel()

    @property
    def _is_over(self) -> bool:
        """Whether what goes on is not wanted any more."""
        return self._crew.is_closing or self._superseded.is_set()

    def _behind(self) -> int | None:
        """Return a place whose worker serves another version, ``None`` if there is none."""
        crew = self._crew
        for index in range(crew.size):
            if any(worker.version != crew.version for worker in crew.at(index)):
                return index
        return None

    def _report(self, exc: ModelLoadError) -> None:
        logger.warning(
            "A further worker of model %s cannot be loaded beside the one that it follows: %s",
            self._source.name,
            exc.message,
            extra={"action": "follow_failed", "model": self._source.name},
        )

    def _ended_at_once(self) -> ModelLoadError:
        source = self._source
        return ModelLoadError(
            f"{source.label}: its new process ended at once.",
            name=source.name,
            distribution=source.distribution,
        )

    async def close(self) -> None:
        """Wait for what still follows; the crew is closed."""
        if self._following is not None:
            await asyncio.wait({self._following})
