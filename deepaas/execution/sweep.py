# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What must be looked at from time to time while calls run: limits, and answers not told of.

One timer for all calls of a model. It looks for answers in shared memory first after 1 ms, and less
and less often while nothing comes: a worker tells of what it has put there before it waits, so this
is about a quick answer followed by a slow call. Calls that are overlooked are looked for as often
as limits are (:mod:`deepaas.execution.lost`).
"""

import asyncio
import logging
import time
from typing import Protocol

from deepaas.execution.base import PoolLimits
from deepaas.execution.crew import Crew
from deepaas.execution.processes import resident_bytes
from deepaas.execution.stats import WorkerEnd
from deepaas.execution.workers import Worker
from deepaas.records import ModelSource

logger = logging.getLogger(__name__)

_FIRST_S = 0.001
_LAST_S = 0.1
_LIMITS_S = 0.1
_MEMORY_S = 0.5
#: What an asynchronous call gets to end by itself before its worker, with all its calls, is killed.
_ASYNC_GRACE_S = 1.0


class SweptPool(Protocol):
    """What a sweep needs of its pool."""

    source: ModelSource
    limits: PoolLimits
    timeout_s: float

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits."""
        ...

    def hand_out_anew(self) -> None:
        """Wake a worker for what lies in the socket, if that is overlooked."""
        ...

    def expire(self, now_s: float) -> None:
        """Answer the calls that were accepted longer ago than the limit."""
        ...

    def time_out(self, call_id: int) -> None:
        """Answer a call that has run longer than the limit."""
        ...

    def is_abandoned(self, call_id: int) -> bool:
        """Whether nobody waits for this call."""
        ...


class Sweep:
    """Belongs to one pool; runs while calls do."""

    def __init__(self, pool: SweptPool, crew: Crew) -> None:
        #: Whether one call can be ended without its worker.
        self.is_async = False
        self._pool = pool
        self._crew = crew
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s = _FIRST_S
        self._limits_at_s = 0.0
        self._memory_at_s = 0.0
        #: Why workers were killed, for the calls that end with them.
        self._reasons: dict[Worker, str] = {}

    def watch(self, *, soon: bool) -> None:
        """See that the timer runs; ``soon``: that it looks for answers again and again."""
        if soon:
            if self._timer is not None and self._pause_s > _FIRST_S:
                self.stop()
            self._pause_s = _FIRST_S
        if self._timer is None:
            if not soon:
                self._pause_s = self._slowest_s()
            self._schedule()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        for worker in tuple(self._crew.workers):
            worker.look()
        now_s = time.monotonic()
        if now_s >= self._limits_at_s:
            self._limits_at_s = now_s + _LIMITS_S
            self._hold_to_limits(now_s)
            self._pool.hand_out_anew()
        if self._pool.is_busy or self._pool.limits.memory_bytes:
            self._pause_s = min(self._pause_s * 2, self._slowest_s())
            self._schedule()

    def _slowest_s(self) -> float:
        timeout_s = self._pool.timeout_s
        return min(_LAST_S, max(timeout_s / 10, _FIRST_S)) if timeout_s else _LAST_S

    def _hold_to_limits(self, now_s: float) -> None:
        if self._pool.timeout_s:
            self._limits_at_s = now_s + self._slowest_s()
            for worker in tuple(self._crew.workers):
                self._hold_to_time(worker, now_s)
            self._pool.expire(now_s)
        if self._pool.limits.memory_bytes and now_s >= self._memory_at_s:
            self._memory_at_s = now_s + _MEMORY_S
            for worker in tuple(self._crew.workers):
                self._hold_to_memory(worker)

    def _hold_to_time(self, worker: Worker, now_s: float) -> None:
        limit_s = self._pool.timeout_s
        overdue = [each for each in worker.running if now_s - each.started_s > limit_s]
        for running in overdue:
            self._pool.time_out(running.call_id)
            worker.cancel(running.call_id)
        grace_s = _ASYNC_GRACE_S if self.is_async else 0.0
        if any(now_s - each.started_s > limit_s + grace_s for each in overdue):
            worker.is_blameless = True
            why = f"another call there ran longer than {limit_s:g} s"
            self._kill(worker, WorkerEnd.TIMEOUT, why)

    def _hold_to_memory(self, worker: Worker) -> None:
        limit = self._pool.limits.memory_bytes
        used = 0 if worker.pid is None else resident_bytes(worker.pid)
        if used > limit:
            why = f"it used {used} bytes of memory; the limit is {limit}"
            self._kill(worker, WorkerEnd.MEMORY, why)

    def end_abandoned(self, call_id: int) -> None:
        """End a running call for whose answer nobody waits, unless others would end with it."""
        for worker in tuple(self._crew.workers):
            running = [each.call_id for each in worker.running]
            if call_id not in running:
                continue
            worker.cancel(call_id)
            if not self.is_async and all(self._pool.is_abandoned(each) for each in running):
                worker.is_blameless = True
                self._kill(worker, WorkerEnd.ABANDONED, "its clients had left")

    def _kill(self, worker: Worker, end: WorkerEnd, why: str) -> None:
        if worker in self._reasons:
            return
        self._reasons[worker] = why
        worker.why = end
        logger.warning(
            "A worker of model %s is killed: %s.",
            self._pool.source.name,
            why,
            extra={"action": "worker_killed", "model": self._pool.source.name},
        )
        worker.kill()

    def reason_of(self, worker: Worker) -> str | None:
        """Return what to tell the callers of a worker that is gone; ``None``: nothing special."""
        why = self._reasons.pop(worker, None)
        return None if why is None else f"The process that ran this call was ended: {why}."
