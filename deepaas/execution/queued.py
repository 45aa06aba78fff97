# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Runs queued predictions in the warm pools, when direct calls leave room for them.

They never wait in a pool's queue behind or before direct calls: one is claimed when a worker is
free and no call waits. All together they take half of what a pool can run at once, or one, so that
of several workers some stay free for direct calls.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from deepaas.errors import JobNotFound, StorageUnavailable
from deepaas.execution.base import CallTaker
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.keeping import Explain
from deepaas.execution.presence import ServerPresence
from deepaas.execution.recovery import Again, decided_end, to_record
from deepaas.execution.steps import Steps
from deepaas.execution.stored_call import Outcome, StoredCall, judge
from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

#: The kind of their jobs.
PREDICT: Final = "predict"
_KINDS: Final = (PREDICT,)
#: The pools limit how many run, not the store.
_NO_LIMIT: Final = 2**31
#: How often to look for what other servers queued or left behind.
_LOOK_S = 1.0
#: How often to look whether one that runs was cancelled.
_LOOK_RUNNING_S = 0.2
#: How often to look for room, where a prediction waits for it.
_LOOK_ROOM_S = 0.02
_TRY_AGAIN_S = 0.5
_BROKEN: Final = "The service failed to run it; its log says why."


class QueuedRunner:
    """Runs the queued predictions of one server; opened and closed with ``async with``."""

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        *,
        presence: ServerPresence,
        pools: Mapping[str, CallTaker],
        explain: Explain,
        on_end: Callable[[Job], object] = lambda job: None,
        min_free_bytes: int = 0,
    ) -> None:
        """Prepare; nothing runs before the runner is entered.

        Args:
            store: Where the jobs are queued; not closed here.
            folder: Holds a directory for each job.
            presence: This server's place among those that share the store.
            pools: The models served; jobs of others are left alone.
            explain: Turns what a model's call failed by into an error, and logs it.
            on_end: Called with each job that this server saw to its end, once it is recorded.
            min_free_bytes: What a long answer leaves free on the disk.
        """
        self._store = store
        self._folder = folder
        self._presence = presence
        self._pools = pools
        self._explain = explain
        self._on_end = on_end
        self._min_free_bytes = min_free_bytes
        self._wake = asyncio.Event()
        self._is_closing = False
        #: By the job's id.
        self._calls: dict[str, StoredCall] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: How many calls of each model the pools have, or are about to get.
        self._out: Counter[str] = Counter()
        #: The models without room, of which something waits.
        self._crowded: list[str] = []
        self._adopt_at_s = 0.0
        self._steps = Steps("Queued predictions are")
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> "QueuedRunner":
        self._task = asyncio.create_task(self._run(), name="queued predictions")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._is_closing = True
        self._wake.set()
        await self._task
        for call in self._calls.values():
            call.end()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def wake(self) -> None:
        """Look at once: something was queued."""
        self._wake.set()

    async def _run(self) -> None:
        while not self._is_closing:
            self._wake.clear()
            for step in (self._adopt, self._stop_decided, self._claim):
                await self._steps.attempt(step)
            await self._pause()

    async def _pause(self) -> None:
        """Wait until there may be something to do."""
        clock = asyncio.get_running_loop().time
        until = clock() + (_LOOK_RUNNING_S if self._calls else _LOOK_S)
        while (left := until - clock()) > 0:
            if any(self._has_room(model) for model in self._crowded):
                return
            try:
                async with asyncio.timeout(min(left, _LOOK_ROOM_S) if self._crowded else left):
                    await self._wake.wait()
            except TimeoutError:
                continue
            return

    def _has_room(self, model: str) -> bool:
        load = self._pools[model].load
        coming = sum(
            call.job.model == model and not call.is_handed for call in self._calls.values()
        )
        share = max(load.capacity // 2, 1)
        return load.calls + coming < load.capacity and self._out[model] < share

    async def _claim(self) -> None:
        """Start what is queued, as far as there is room."""
        self._crowded = []
        while not self._is_closing:
            models = [model for model in self._pools if self._has_room(model)]
            job = await self._next(models)
            if job is None or job.id in self._tasks:
                break  # its last attempt is just being recorded, which wakes us
            await self._start(job)
        crowded = [model for model in self._pools if not self._has_room(model)]
        if await self._next(crowded) is not None:
            self._crowded = crowded

    async def _next(self, models: list[str]) -> Job | None:
        if not models:
            return None
        return await self._store.next_queued(models, _NO_LIMIT, kinds=_KINDS, now=datetime.now(UTC))

    async def _start(self, job: Job) -> None:
        try:
            claimed = await self._store.claim(
                job.id,
                server=self._presence.id,
                models=[job.model],
                kinds=_KINDS,
                slots=_NO_LIMIT,
                now=datetime.now(UTC),
            )
        except JobNotFound:
            return  # cancelled and removed since it was found in the queue
        if claimed is None:
            return  # another server has it, or it was cancelled
        call = StoredCall(
            claimed,
            JobDirectory(self._folder / job.id),
            self._pools[job.model],
            explain=self._explain,
            on_free=partial(self._free, job.model),
            min_free_bytes=self._min_free_bytes,
        )
        self._out[job.model] += 1
        self._calls[job.id] = call
        self._follow(claimed, call.run)

    def _free(self, model: str) -> None:
        self._out[model] -= 1
        self._wake.set()

    def _follow(self, job: Job, run: Callable[[], Awaitable[Outcome]]) -> None:
        """Record what becomes of a job, in a task of its own."""
        task = asyncio.create_task(self._serve(job, run), name=f"queued prediction {job.id}")
        self._tasks[job.id] = task

    async def _serve(self, job: Job, run: Callable[[], Awaitable[Outcome]]) -> None:
        try:
            try:
                outcome = await run()
            except Exception:
                logger.exception(
                    "Queued prediction %s cannot be run.",
                    job.id,
                    extra={"action": "job_broken", "job": job.id},
                )
                outcome = to_record(End.now("error", _BROKEN))
            await self._record(job, outcome)
        finally:
            self._calls.pop(job.id, None)
            del self._tasks[job.id]
            self._wake.set()

    async def _record(self, job: Job, outcome: Outcome) -> None:
        """Tell the store; while that cannot be done, this server goes on to follow the job."""
        while outcome is not None:
            try:
                if isinstance(outcome, JobEnd):
                    self._on_end(await self._store.finish(job.id, outcome))
                else:
                    await self._queue_again(job, outcome)
            except JobNotFound:
                return
            except (OSError, StorageUnavailable) as exc:
                logger.warning(
                    "What became of job %s cannot be recorded: %s",
                    job.id,
                    exc,
                    extra={"action": "jobs_held_up", "job": job.id},
                )
                if self._is_closing:
                    return  # the next server comes to the same
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            what = outcome.state if isinstance(outcome, JobEnd) else "queued again"
            logger.info(
                "Queued prediction %s of model %s: %s.",
                job.id,
                job.model,
                what,
                extra={"action": "job_ended", "job": job.id, "state": str(what)},
            )
            return

    async def _queue_again(self, job: Job, again: Again) -> None:
        if await self._finish_decided(job, job.attempt):
            return
        directory = JobDirectory(self._folder / job.id)
        await asyncio.to_thread(
            directory.note_state, JobState.QUEUED, job.attempt + 1, again.message
        )
        await self._store.unclaim(
            job.id,
            server=self._presence.id,
            not_before=again.not_before,
            message=again.message,
        )
        # A cancel that came in between saw a running job, and left the record to us.
        await self._finish_decided(job, job.attempt + 1)

    async def _finish_decided(self, job: Job, attempt: int) -> bool:
        """Record an end that stands; tell whether one does."""
        directory = JobDirectory(self._folder / job.id)
        end = await asyncio.to_thread(decided_end, directory, attempt)
        if end is not None:
            self._on_end(await self._store.finish(job.id, end))
        return end is not None

    async def _adopt(self) -> None:
        """Judge the running predictions of servers that are gone."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._adopt_at_s:
            return
        for job in await self._store.running():
            if job.kind != PREDICT or job.model not in self._pools or job.id in self._tasks:
                continue
            if await asyncio.to_thread(self._presence.is_alive, job.server):
                continue
            adopted = await self._store.adopt(
                job.id, old_server=job.server, server=self._presence.id
            )
            if adopted is not None:
                self._follow(adopted, partial(self._judged, adopted))
        self._adopt_at_s = now_s + _LOOK_S

    async def _judged(self, job: Job) -> Outcome:
        directory = JobDirectory(self._folder / job.id)
        while True:
            try:
                return await asyncio.to_thread(judge, directory, job)
            except OSError as exc:
                logger.warning("The end of job %s cannot be written: %s", job.id, exc.strerror)
            if self._is_closing:
                return None
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _stop_decided(self) -> None:
        """Wait no longer for those that were cancelled, on whatever server."""
        calls = list(self._calls.values())
        if calls:
            decided = await asyncio.to_thread(
                lambda: [call for call in calls if call.directory.is_decided()]
            )
            for call in decided:
                call.stop()
