# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The warm workers of one model: a queue, and whoever is free takes from it.

All workers of a model read one ``SOCK_SEQPACKET`` pair, so the kernel hands each call to a free
worker and none waits behind a slow one. The server keeps the queue and hands the kernel only a few
calls more than there are workers, so that a queued call can still be dropped.

Every call that was handed out is answered, begun and noted in some worker's page, or still in the
socket. When a worker dies, what it had begun fails; what it had taken but not begun stands nowhere
and is handed out again (:meth:`Pool._recover`).
"""

import asyncio
import itertools
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deepaas.errors import ModelLoadError, Unavailable, WorkerDied
from deepaas.execution.base import Executor
from deepaas.execution.local import python
from deepaas.execution.messages import Answer, Call, Channel
from deepaas.execution.workers import Worker, WorkerState, worker_environment
from deepaas.records import CallInput, LogSettings, ModelDescription, ModelSource

logger = logging.getLogger(__name__)

#: Calls in the socket beyond one for each worker: the next one is there when a worker gets free.
_AHEAD = 2
#: A call that was taken by this many workers which then died without beginning it is given up.
_MAX_LOST = 3
_LOOK_AGAIN_S = 0.002
_MAX_BACKOFF_S = 30.0


class Result(NamedTuple):
    """A worker's answer, and the descriptor of its body where that came as one."""

    answer: Answer
    fd: int | None


class _Pending:
    """A call on its way; its resources are released when nobody needs them any more."""

    __slots__ = ("body_fd", "call", "future", "lost", "release")

    def __init__(self, call: Call, body_fd: int | None, release: Callable[[], None] | None) -> None:
        self.call = call
        self.body_fd = body_fd
        self.release = release
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        #: How many workers took it and died before they began it.
        self.lost = 0

    def end(self, result: Result | None, error: Exception | None = None) -> None:
        if not self.future.done():
            if error is not None:
                self.future.set_exception(error)
            elif result is not None:
                self.future.set_result(result)
        elif result is not None and result.fd is not None:
            os.close(result.fd)
        if self.release is not None:
            self.release()


class Pool:
    """Serves one model with ``size`` worker processes."""

    def __init__(
        self,
        source: ModelSource,
        *,
        executor: Executor,
        size: int,
        warm: bool,
        on_loaded: Callable[[ModelDescription], object],
        log: LogSettings | None = None,
    ) -> None:
        self.source = source
        self._executor = executor
        self._size = size
        self._warm = warm
        self._log = log or LogSettings()
        self._on_loaded = on_loaded
        self._ids = itertools.count(1)
        self._queue: deque[_Pending] = deque()
        self._handed: dict[int, _Pending] = {}
        self._workers: list[Worker] = []
        self._first_load: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._was_loaded = False
        self._failures = 0
        self._failure: ModelLoadError | None = None
        self._closing = False
        self._all_gone = asyncio.Event()
        self._calls, self._workers_end = Channel.pair()
        self._calls.socket.setblocking(False)

    def start(self) -> None:
        """Start the workers; they load the model at the same time."""
        for _ in range(self._size):
            self._start_worker()

    async def wait_loaded(self) -> None:
        """Wait until every worker of the start is ready.

        Raises:
            ModelLoadError: One of them could not load the model.
        """
        await asyncio.shield(self._first_load)

    @property
    def ready_workers(self) -> int:
        """How many workers could take a call now or soon: loaded, warm, alive."""
        return sum(worker.state is WorkerState.READY for worker in self._workers)

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer at the moment, ``None`` if it can."""
        if self.ready_workers:
            return None
        return self._failure.message if self._failure is not None else "The model is loading."

    async def call(
        self,
        function: str,
        *,
        request_id: str,
        arguments: Mapping[str, Any] | None = None,
        given: CallInput | None = None,
        body_fd: int | None = None,
        release: Callable[[], None] | None = None,
    ) -> Result:
        """Run a function of the model and return what its worker answered.

        A caller that is cancelled drops its call while it is queued; once begun it runs on.

        Args:
            function: See :class:`~deepaas.execution.messages.Call`.
            request_id: Appears in the worker's log.
            arguments: The parsed arguments, or ``None`` to have ``given`` parsed in the worker.
            given: The input, without its body if ``body_fd`` is set.
            body_fd: A memory file with the JSON body; stays open until ``release``.
            release: Called once, when the call needs ``body_fd`` and uploaded files no more.

        Raises:
            WorkerDied: The worker ended before it answered.
            Unavailable: No worker can load the model, or the service ends.
        """
        call = Call(next(self._ids), function, request_id, arguments, given, body_fd is not None)
        pending = _Pending(call, body_fd, release)
        refusal = self._refusal()
        if refusal is not None:
            pending.end(None, refusal)
        else:
            self._queue.append(pending)
            self._hand_out()
        try:
            return await pending.future
        except asyncio.CancelledError:
            self._drop(pending)
            raise

    def _drop(self, pending: _Pending) -> None:
        """Take a call out of the queue, or out of the socket, unless it has begun."""
        if pending.call.id in self._handed:
            self._read_back()
        if pending in self._queue:
            self._queue.remove(pending)
            pending.end(None)
        self._hand_out()

    def _refusal(self) -> Exception | None:
        if self._closing:
            return Unavailable("The service is shutting down.")
        if self._failure is not None and not self.ready_workers:
            return Unavailable(f"The model {self.source.name!r} cannot be loaded at the moment.")
        return None

    def _hand_out(self) -> None:
        limit = self.ready_workers + _AHEAD
        while self._queue and len(self._handed) < limit:
            pending = self._queue[0]
            fds = () if pending.body_fd is None else (pending.body_fd,)
            try:
                self._calls.send(pending.call, fds)
            except BlockingIOError:
                return  # full of large calls; an answer to one of them comes back here
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is about this call
                # This call cannot cross (no memory, no descriptors); the others can.
                self._queue.popleft()
                pending.end(None, Unavailable(f"The call cannot be handed out: {exc}"))
                continue
            self._queue.popleft()
            self._handed[pending.call.id] = pending

    def _on_answer(self, answer: Answer, fds: list[int]) -> None:
        fd = fds[0] if fds else None
        pending = self._handed.pop(answer.call_id, None)
        if pending is not None:
            pending.end(Result(answer, fd))
        elif fd is not None:
            os.close(fd)
        if self._queue:
            self._hand_out()

    def _start_worker(self) -> None:
        worker = Worker(
            self.source,
            warm=self._warm,
            log=self._log,
            on_loaded=self._on_worker_loaded,
            on_failed=self._on_load_failed,
            on_answer=self._on_answer,
            on_end=self._on_worker_end,
        )
        self._workers.append(worker)
        worker.start(
            self._executor,
            python("deepaas.execution.worker", "predict"),
            worker_environment(self._size),
            self._workers_end,
        )

    def _on_worker_loaded(self, description: ModelDescription) -> None:
        self._failures = 0
        self._failure = None
        self._on_loaded(description)
        if self.ready_workers == self._size and not self._first_load.done():
            self._was_loaded = True
            self._first_load.set_result(None)
        self._hand_out()

    def _on_load_failed(self, reason: str, traceback: str) -> None:
        if self._was_loaded:
            logger.error(
                "%s\n%s",
                reason,
                traceback,
                extra={"action": "reload_failed", "model": self.source.name},
            )
        self._failure = ModelLoadError(
            reason,
            name=self.source.name,
            distribution=self.source.distribution,
            traceback=traceback,
        )

    def _on_worker_end(self, worker: Worker, status: int) -> None:
        self._workers.remove(worker)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        running = worker.running
        if running is not None:
            pending = self._handed.pop(running.call_id, None)
            if pending is not None:
                pending.end(None, WorkerDied())
        was_ready = worker.state is WorkerState.READY
        worker.close()
        if self._closing:
            if not self._workers:
                self._all_gone.set()
            return
        if not was_ready and self._failure is None:
            self._on_load_failed(f"{self.source.label}: its process ended with {how}.", "")
        if was_ready or self._was_loaded:
            logger.error(
                "A worker of model %s ended with %s; it is replaced.",
                self.source.name,
                how,
                extra={"action": "worker_ended", "model": self.source.name, "status": status},
            )
        self._recover()
        self._replace(was_ready)

    def _replace(self, was_ready: bool) -> None:
        if was_ready:
            self._start_worker()
            return
        if not self.ready_workers:
            self._fail_queued()
        if not self._first_load.done():
            assert self._failure is not None
            self._first_load.set_exception(self._failure)
        if self._was_loaded:
            self._failures += 1
            delay_s = min(_MAX_BACKOFF_S, 0.5 * 2**self._failures)
            asyncio.get_running_loop().call_later(delay_s, self._start_unless_closing)

    def _start_unless_closing(self) -> None:
        if not self._closing:
            self._start_worker()

    def _fail_queued(self) -> None:
        self._read_back()
        queued, self._queue = self._queue, deque()
        refusal = self._refusal() or Unavailable()
        for pending in queued:
            pending.end(None, refusal)

    def _read_back(self) -> None:
        """Take the calls that no worker has taken out of the socket, back into the queue."""
        waiting = []
        try:
            while True:
                call, fds = self._workers_end.receive()
                for fd in fds:
                    os.close(fd)
                waiting.append(self._handed.pop(call.id))
        except BlockingIOError:
            self._queue.extendleft(reversed(waiting))

    def _recover(self) -> None:
        """After a death, find what the dead worker had taken and not begun."""
        if not self._handed:
            return
        self._read_back()
        suspects = {call_id: pending.lost for call_id, pending in self._handed.items()}
        asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._find_lost, suspects)
        self._hand_out()

    def _find_lost(self, suspects: Mapping[int, int]) -> None:
        """Hand out again what stands nowhere.

        A living worker may hold a suspect unnoted only while it is receiving; one that was just
        loaded receives before the server has heard of it. The order matters: pages before answers,
        since a worker answers before it clears its page.

        Args:
            suspects: Each call's id, and how often it had been lost when it came under suspicion:
                of two deaths at once, the first one's search may have handed it out again.
        """
        if self._closing:
            return
        living = tuple(self._workers)
        if any(worker.is_receiving for worker in living):
            asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._find_lost, suspects)
            return
        begun = {worker.running.call_id for worker in living if worker.running is not None}
        for worker in living:
            worker.read_answers()
        for call_id in sorted(suspects.keys() - begun, reverse=True):
            pending = self._handed.get(call_id)
            if pending is None or pending.lost != suspects[call_id]:
                continue
            del self._handed[call_id]
            pending.lost += 1
            if pending.lost >= _MAX_LOST:
                pending.end(None, WorkerDied())
            else:
                self._queue.appendleft(pending)
        if self._refusal() is not None:
            self._fail_queued()
        self._hand_out()

    async def close(self, *, grace_s: float) -> None:
        """Refuse what is queued, and end the workers; what runs gets the grace.

        May be called twice.
        """
        if self._closing:
            return
        self._closing = True
        self._fail_queued()
        for worker in self._workers:
            worker.stop(self._executor, grace_s)
        if self._workers:
            await self._all_gone.wait()
        for pending in self._handed.values():
            pending.end(None, WorkerDied())
        self._handed.clear()
        self._calls.close()
        self._workers_end.close()
        if not self._first_load.done():
            self._first_load.cancel()
        elif not self._first_load.cancelled():
            self._first_load.exception()  # retrieved here, so that nobody warns of it
