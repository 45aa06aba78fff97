# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The warm workers of one model: a queue, and whoever is free takes from it.

All workers of a model read one ``SOCK_SEQPACKET`` pair, so the kernel hands each call to a free
worker and none waits behind a slow one. The server keeps the queue and hands the kernel only a few
calls more than the workers can begin, so that a queued call can still be dropped.

Every call that was handed out is answered, begun and noted in some worker's page, or still in the
socket. When a worker dies, what it had begun fails; what it had taken but not begun stands nowhere
and is handed out again (:mod:`deepaas.execution.lost`).
"""

import asyncio
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from deepaas.errors import TimedOut, Unavailable, WorkerDied
from deepaas.execution import stats
from deepaas.execution.admission import Admission
from deepaas.execution.base import Executor, Load, PoolLimits, Result
from deepaas.execution.call_socket import CallSocket
from deepaas.execution.counting import CallCounts
from deepaas.execution.crew import Crew
from deepaas.execution.lost import LostCalls
from deepaas.execution.messages import (
    Answer,
    Call,
    LoadFailed,
    StreamData,
    StreamEnd,
    StreamStart,
)
from deepaas.execution.pending import Pending
from deepaas.execution.stats import PoolStats
from deepaas.execution.streams import StreamFailed
from deepaas.execution.succession import Succession
from deepaas.execution.sweep import Sweep
from deepaas.execution.workers import Worker, WorkerState
from deepaas.records import (
    PACKAGE_VERSION,
    CallInput,
    LogSettings,
    ModelDescription,
    ModelSource,
    ServedVersion,
)

logger = logging.getLogger(__name__)

#: Calls in the socket beyond what the workers can begin, at least and at most: the next one is
#: there when one gets free.
_AHEAD, _MAX_AHEAD = 2, 64
#: From so many calls in flight, and down to so many, workers are scheduled for throughput.
_MANY, _FEW = 8, 2


class Pool:
    """Serves one model with ``size`` worker processes; a :class:`~.base.ModelPool`."""

    def __init__(
        self,
        source: ModelSource,
        *,
        executor: Executor,
        size: int,
        warm: bool,
        on_loaded: Callable[[ModelDescription], object],
        log: LogSettings | None = None,
        limits: PoolLimits | None = None,
        devices: tuple[str, ...] = (),
    ) -> None:
        self.source = source
        self.limits = limits or PoolLimits()
        #: Seconds that a call may wait, and may run; 0: no limit.
        self.timeout_s = self.limits.timeout_s
        #: How many calls a worker begins at the same time.
        self._at_once = 1
        #: How many more lie ready: quick workers take many before the server's next turn.
        self._ahead = _AHEAD
        self._ids = itertools.count(1)
        self._queue: deque[Pending] = deque()
        #: Calls that workers run, or can take, by their ids.
        self.handed: dict[int, Pending] = {}
        self._announce = on_loaded
        self._counts = CallCounts()
        self._socket = CallSocket()
        self._crew = Crew(
            source,
            self,
            executor=executor,
            size=size,
            calls=self._socket.workers_end,
            warm=warm,
            log=log or LogSettings(),
            devices=devices,
        )
        self._admission = Admission(source.name, self._crew, self.limits.max_queue)
        self._sweep = Sweep(self, self._crew)
        self._succession = Succession(source, self._crew)
        self._lost = LostCalls(self, self._crew)

    def start(self, version: ServedVersion = PACKAGE_VERSION) -> None:
        """Start the workers; they load the model at the same time."""
        self._crew.start(version)

    async def restart(self, version: ServedVersion) -> None:
        """Start anew with another version, after a start that failed."""
        await self._crew.restart(version)

    async def wait_loaded(self) -> None:
        """Wait until every worker of the start is ready.

        Raises:
            ModelLoadError: One of them could not load the model.
        """
        await self._crew.wait_loaded()

    async def replace_workers(self) -> None:
        """Replace the workers one by one; calls go on meanwhile.

        Raises:
            ModelLoadError: The model cannot be loaded now; the workers that were there stay.
        """
        await self._succession.renew()

    async def switch(
        self,
        version: ServedVersion,
        *,
        commit: Callable[[], Awaitable[object]],
        in_place: bool = False,
    ) -> None:
        """Serve another version; see :meth:`deepaas.execution.base.ModelPool.switch`."""
        await self._succession.switch(version, commit=commit, in_place=in_place)

    @property
    def version(self) -> ServedVersion:
        """What workers serve that start now; the answers of older ones say what they serve."""
        return self._crew.version

    @property
    def why_fixed(self) -> str | None:
        """Nothing keeps it from switching."""
        return None

    @property
    def ready_workers(self) -> int:
        """How many workers could take a call now or soon: loaded, warm, alive."""
        return self._crew.ready

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits."""
        return bool(self.handed or self._queue)

    @property
    def load(self) -> Load:
        """How much of it is used."""
        is_refusing = self._admission.is_refusing
        capacity = 0 if is_refusing else self._crew.ready * self._at_once
        return Load(capacity, len(self.handed) + len(self._queue), is_refusing)

    @property
    def stats(self) -> PoolStats:
        """What it does and has done."""
        return self._counts.stats(self._crew, len(self.handed) + len(self._queue))

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer at the moment, ``None`` if it can."""
        return self._admission.reason

    async def call(
        self,
        function: str,
        *,
        request_id: str,
        arguments: Mapping[str, Any] | None = None,
        given: CallInput | None = None,
        body_fd: int | None = None,
        release: Callable[[], None] | None = None,
        stream: str = "",
        principal: str | None = None,
        job: str = "",
    ) -> Result:
        """Run a function of the model; see :meth:`deepaas.execution.base.ModelPool.call`."""
        origin = (stream, principal, job, time.monotonic())
        is_apart = body_fd is not None
        call = Call(next(self._ids), function, request_id, arguments, given, is_apart, *origin)
        pending = Pending(call, body_fd, release)
        calls = len(self._queue) + len(self.handed)
        refusal = self._admission.refusal_for(calls, self._at_once)
        if refusal is not None:
            self._counts.refuse(pending, refusal)
        else:
            self._queue.append(pending)
            self._hand_out()
            # Alone, a call is told of in any case: its worker has nothing to do before it waits.
            self._sweep.watch(soon=len(self.handed) > 1)
        try:
            return await pending.future
        except asyncio.CancelledError:
            self._drop(pending)
            raise

    def _drop(self, pending: Pending) -> None:
        """Take a call out of the queue, or out of the socket, unless it has begun."""
        self._counts.end(pending, stats.DROPPED)
        pending.leave()
        if pending.call.id in self.handed:
            self._read_back()
        if pending in self._queue:
            self._queue.remove(pending)
            pending.end(None)
        elif pending.call.id in self.handed and self.limits.kill_abandoned:
            self._sweep.end_abandoned(pending.call.id)
        self._hand_out()

    def _hand_out(self) -> None:
        # A batch is taken as a whole, so the next one is to lie ready.
        ahead = self._ahead if self._at_once == 1 else self._at_once
        limit = self._crew.ready * self._at_once + self._crew.leaving_calls + ahead
        while self._queue and len(self.handed) < limit:
            pending = self._queue[0]
            try:
                self._socket.send(pending)
            except BlockingIOError:
                return  # full of large calls; an answer to one of them comes back here
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is about this call
                # This call cannot cross (no memory, no descriptors); the others can.
                self._queue.popleft()
                self._counts.refuse(pending, Unavailable(f"The call cannot be handed out: {exc}"))
                continue
            self._queue.popleft()
            self.handed[pending.call.id] = pending

    def on_answer(self, worker: Worker, answer: Answer, fds: list[int]) -> None:
        """Pass an answer on."""
        fd = fds[0] if fds else None
        pending = self.handed.pop(answer.call_id, None)
        if pending is not None:
            self._counts.answered(pending, answer.failure)
            pending.end(Result(answer, fd, None, worker.version.number))
        elif fd is not None:
            os.close(fd)

    def on_read(self, worker: Worker, count: int) -> None:
        """Hand out what there is room for now, and learn how quick the workers are."""
        if count >= self._ahead:
            self._ahead = min(self._ahead * 2, _MAX_AHEAD)
        elif count * 4 <= self._ahead:
            self._ahead = max(self._ahead - 1, _AHEAD)
        in_flight = count + len(self.handed) + len(self._queue)
        if in_flight >= _MANY:
            self._crew.set_patient(True)
        elif in_flight <= _FEW:
            self._crew.set_patient(False)
        if self._queue:
            self._hand_out()

    def on_stream(self, worker: Worker, part: StreamStart | StreamData | StreamEnd) -> None:
        """Pass a part of a stream on."""
        pending = self.handed.get(part.call_id)
        if pending is None:
            return
        match part:
            case StreamStart(call_id, content_type, slot):
                pending.begin_stream(worker, content_type, slot)
            case StreamData(_, data) if pending.stream is not None:
                pending.stream.feed(data)
            case StreamEnd(call_id, failure) if pending.stream is not None:
                del self.handed[call_id]
                pending.stream.end(None if failure is None else StreamFailed(failure))
                pending.end(None)
                if pending.stream.was_left:
                    self._counts.end(pending, stats.DROPPED)
                self._counts.answered(pending, failure)
                worker.count_answer(failure)

    def on_loaded(self, worker: Worker, description: ModelDescription) -> None:
        """Take what the model says of itself, and let its calls begin."""
        self._at_once = description.at_once
        self._sweep.is_async = description.is_async
        own = description.predict_timeout_s
        self.timeout_s = self.limits.timeout_s if own is None else own
        if self.limits.memory_bytes:
            self._sweep.watch(soon=False)
        self._crew.on_loaded(worker)
        self._announce(description)
        self._hand_out()

    def on_load_failed(self, worker: Worker, failed: LoadFailed) -> None:
        """Note why."""
        self._crew.on_load_failed(worker, failed)

    def on_end(self, worker: Worker, status: int) -> None:
        """Fail what the worker had begun, hand out what it had only taken, and replace it."""
        reason = self._sweep.reason_of(worker)
        for running in worker.running:
            pending = self.handed.pop(running.call_id, None)
            if pending is not None:
                self._counts.end(pending, stats.KILLED)
                pending.end(None, WorkerDied(reason))
        was_serving = worker.state is not WorkerState.LOADING
        self._counts.retire(worker)
        worker.close()
        self._crew.on_end(worker, status, was_serving=was_serving)
        if self._crew.is_closing:
            return
        if self.handed:
            self._read_back()
            self._lost.search()
            self._hand_out()
        if self._crew.is_hopeless:
            self._fail_queued()

    def hand_out_again(self, lost: Iterable[Pending]) -> None:
        """Put calls that nobody holds in front of the queue, in order, and hand out what can be."""
        self._queue.extendleft(reversed(tuple(lost)))
        if self._admission.refusal is not None:
            self._fail_queued()
        self._hand_out()

    def _fail_queued(self) -> None:
        self._read_back()
        queued, self._queue = self._queue, deque()
        refusal = self._admission.refusal or Unavailable()
        for pending in queued:
            self._counts.refuse(pending, refusal)

    def expire(self, now_s: float) -> None:
        """Answer the calls that were accepted longer ago than the limit, begun or not."""
        begun = {running.call_id for worker in self._crew.workers for running in worker.running}
        limit_s = self.timeout_s
        late = [p for p in self.handed.values() if now_s - p.accepted_s > limit_s]
        if any(pending.call.id not in begun for pending in late):
            self._read_back()
        for pending in late:
            # One that stands nowhere was taken by a worker that is stopped, or is just answered.
            if pending.call.id in self.handed:
                self._give_up(pending)
        for pending in [p for p in self._queue if now_s - p.accepted_s > limit_s]:
            self._queue.remove(pending)
            self._counts.end(pending, stats.TIMED_OUT)
            pending.end(None, TimedOut(limit_s, waiting=True))
        self._hand_out()

    def time_out(self, call_id: int) -> None:
        """Answer a call that has run longer than the limit."""
        pending = self.handed.get(call_id)
        if pending is not None:
            self._give_up(pending)

    def _give_up(self, pending: Pending) -> None:
        self._counts.end(pending, stats.TIMED_OUT)
        pending.give_up(TimedOut(self.timeout_s, waiting=False))

    def is_abandoned(self, call_id: int) -> bool:
        """Whether nobody waits for this call."""
        pending = self.handed.get(call_id)
        return pending is None or pending.is_abandoned

    def _read_back(self) -> None:
        """Take the calls that no worker has taken out of the socket, back into the queue."""
        waiting = [self.handed.pop(call_id) for call_id in self._socket.read_back()]
        self._queue.extendleft(reversed(waiting))

    def hand_out_anew(self) -> None:
        """Wake a worker for what lies in the socket, if that is overlooked; asked now and then."""
        if self._lost.is_overlooked(self._at_once):
            self._read_back()
            self._hand_out()

    def refuse(self) -> None:
        """Take no more calls; those that were taken go on."""
        self._admission.is_refusing = True

    async def close(self, *, grace_s: float) -> None:
        """Refuse what is queued, and end the workers; what runs gets the grace. Repeatable."""
        if self._crew.is_closing:
            return
        self._admission.is_refusing = True
        self._fail_queued()
        await self._crew.close(grace_s)
        await self._succession.close()
        self._sweep.stop()
        for pending in self.handed.values():
            pending.end(None, WorkerDied())
        self.handed.clear()
        self._socket.close()
