# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One prediction worker as the server sees it: its process, its control channel, its page."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from deepaas.errors import ModelLoadError, OutOfMemory
from deepaas.execution.base import Executor
from deepaas.execution.messages import (
    Answer,
    Channel,
    ChannelClosed,
    Closing,
    Failure,
    Loaded,
    LoadFailed,
    LoadModel,
    Resume,
    Serve,
    Stop,
    StreamData,
    StreamEnd,
    StreamStart,
    Wake,
    unpack,
)
from deepaas.execution.page import CallPage, Running
from deepaas.execution.stats import WorkerEnd
from deepaas.execution.tallies import Tallied
from deepaas.records import (
    PACKAGE_VERSION,
    LogSettings,
    ModelDescription,
    ModelSource,
    ServedVersion,
)

logger = logging.getLogger(__name__)


class WorkerState(StrEnum):
    """Where a worker stands."""

    #: Its process starts, imports the model and warms it.
    LOADING = "loading"
    #: It could take calls, and waits until it is let to.
    WARM = "warm"
    #: It takes calls.
    READY = "ready"
    #: It was told to end, or has ended.
    ENDING = "ending"


class WorkerOwner(Protocol):
    """What a worker tells, and to whom."""

    def on_loaded(self, worker: "Worker", description: ModelDescription) -> None:
        """It takes calls now."""
        ...

    def on_load_failed(self, worker: "Worker", failed: LoadFailed) -> None:
        """It cannot load the model; its end follows."""
        ...

    def on_answer(self, worker: "Worker", answer: Answer, fds: list[int]) -> None:
        """It answered a call; the descriptors are the owner's now."""
        ...

    def on_stream(self, worker: "Worker", part: StreamStart | StreamData | StreamEnd) -> None:
        """It answers a call piece by piece."""
        ...

    def on_read(self, worker: "Worker", count: int) -> None:
        """Everything that it had said was told; the last ``count`` were answers."""
        ...

    def on_end(self, worker: "Worker", status: int) -> None:
        """Its process is gone; all that it had said was told before."""
        ...


class Worker:
    """Owns what the server holds of one worker process."""

    def __init__(
        self,
        source: ModelSource,
        owner: WorkerOwner,
        *,
        index: int = 0,
        version: ServedVersion = PACKAGE_VERSION,
        is_candidate: bool = False,
        on_closing: "Callable[[Worker, str], object]" = lambda worker, reason: None,
    ) -> None:
        self.state = WorkerState.LOADING
        #: Its place among the workers of the model; a worker that replaces it has the same.
        self.index = index
        #: What it serves, from its start to its end.
        self.version = version
        #: How many calls it has answered.
        self.answered = 0
        #: Whether it has answered one by something else than an error.
        self.has_succeeded = False
        #: Done when it is ready, or cannot be.
        self.loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: Done when its process is gone.
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: It is tried and may replace another: it waits until it is let to serve, and its failure
        #: changes nothing.
        self.is_candidate = is_candidate
        #: It was killed to end a call, which says nothing against the model.
        self.is_blameless = False
        #: It was asked to end, and needs no replacement.
        self.is_told = False
        #: Why it is ended, where somebody ends it.
        self.why = WorkerEnd.DIED
        self._source = source
        self._owner = owner
        self._on_closing = on_closing
        self._executor: Executor | None = None
        self._description: ModelDescription | None = None
        self._is_closed = False
        self._is_damaged = False
        self._is_killed = False
        self._key = 0
        self._control, self._workers_end = Channel.pair()
        self._control.socket.setblocking(False)
        self._page_fd = CallPage.create()
        self._page = CallPage(self._page_fd)

    def start(
        self,
        executor: Executor,
        argv: Sequence[str],
        environment: dict[str, str],
        calls: Channel,
        *,
        warm: bool,
        log: LogSettings | None = None,
    ) -> None:
        """Start the process; ``calls`` is the end that all workers of the model read."""
        self._executor = executor
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._read_some)
        folder = self.version.model_dir
        self._control.send(LoadModel(self._source, warm, log, folder, self.is_candidate))
        fds = (calls.fileno(), self._workers_end.fileno(), self._page_fd)
        self._key = executor.start(argv, environment=environment, fds=fds, on_end=self._ended)
        # Ours would keep the channel open after the worker's end.
        self._workers_end.close()
        os.close(self._page_fd)

    @property
    def pid(self) -> int | None:
        """Its process id, ``None`` while it is not known."""
        return None if self._executor is None else self._executor.pid(self._key)

    @property
    def running(self) -> list[Running]:
        """The calls it has begun and not answered; true also after its death."""
        return self._page.running

    @property
    def tallied(self) -> Tallied:
        """What it has counted; true also after its death, until :meth:`close`."""
        return self._page.tallies.read()

    @property
    def is_receiving(self) -> bool:
        """Whether it may hold a call that it has not noted yet."""
        return self._page.is_receiving

    def set_patient(self, patient: bool) -> None:
        """Choose whether a call that wakes it may interrupt the server (sched(7), SCHED_BATCH).

        With many calls in flight, a worker on the same core that takes over at the first of them
        costs two changes of context for each; with few, waiting for its turn costs time.
        """
        pid = self.pid
        if pid is None:
            return
        try:
            policy = os.SCHED_BATCH if patient else os.SCHED_OTHER
            os.sched_setscheduler(pid, policy, os.sched_param(0))
        except OSError:
            logger.debug("A worker is gone, or this container forbids it: slower, no more.")

    def count_answer(self, failure: Failure | None) -> None:
        """Count a call that it has answered."""
        self.answered += 1
        if failure is None:
            self.has_succeeded = True

    def read_answers(self) -> None:
        """Pass on everything that the worker has said."""
        while self._read_some():
            pass

    def _read_some(self) -> bool:
        """Pass on what has come until the worker had nothing to add; false if nothing is left."""
        # Before looking: what comes after this is told anew.
        self._page.ring.looked()
        before = self.answered
        is_more = False
        try:
            while True:
                message, fds = self._control.receive()
                if type(message) is Wake:
                    # Seldom followed by another word, for which the loop would call again.
                    is_more = True
                    break
                match message:
                    case Answer():
                        self.count_answer(message.failure)
                        self._owner.on_answer(self, message, fds)
                    case Loaded(description):
                        self._on_loaded(description)
                    case LoadFailed():
                        self._owner.on_load_failed(self, message)
                    case Closing(reason):
                        self._on_closing(self, reason)
        except BlockingIOError:
            pass
        except (ChannelClosed, ConnectionResetError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._read_ring()
        self._owner.on_read(self, self.answered - before)
        return is_more

    def _on_loaded(self, description: ModelDescription) -> None:
        if self.state is not WorkerState.LOADING or self._is_killed:
            return
        self._description = description
        if self.is_candidate:
            self.state = WorkerState.WARM
        else:
            self._become_ready(description)
        self.loaded.set_result(None)

    def _become_ready(self, description: ModelDescription) -> None:
        self.state = WorkerState.READY
        self._owner.on_loaded(self, description)

    @property
    def is_waiting(self) -> bool:
        """Whether it is warm, waits until it is let to serve, and was not told to end."""
        return self.state is WorkerState.WARM

    def let_serve(self) -> None:
        """Let a candidate that is warm take calls; from now on it is one of the workers."""
        assert self.is_waiting
        assert self._description is not None
        self.is_candidate = False
        try:
            self._control.send(Serve())
        except OSError:
            logger.debug("A worker was gone before it could be let to serve; its end follows.")
        self._become_ready(self._description)

    def look(self) -> None:
        """Pass on what it has said in shared memory without telling; takes no system call."""
        before = self.answered
        self._read_ring()
        if self.answered != before:
            self._owner.on_read(self, self.answered - before)

    def _read_ring(self) -> None:
        if self._is_damaged:
            return
        ring = self._page.ring
        try:
            while (data := ring.take()) is not None:
                message = unpack(data)
                if type(message) is Answer:
                    self.count_answer(message.failure)
                    self._owner.on_answer(self, message, [])
                else:
                    self._owner.on_stream(self, message)
        except Exception:
            # The model wrote over memory that is not its own; nothing here can be trusted.
            self._is_damaged, self.why = True, WorkerEnd.DAMAGED
            logger.exception(
                "The memory of a worker is damaged; the worker is ended.",
                extra={"action": "worker_damaged", "model": self._source.name},
            )
            self.kill()

    def _ended(self, status: int) -> None:
        self.read_answers()
        if not self.loaded.done():
            self.loaded.set_exception(self._unready(status))
        self.loaded.exception()  # retrieved here, so that nobody warns of it
        self._owner.on_end(self, status)
        self.ended.set_result(None)

    def _unready(self, status: int) -> ModelLoadError:
        name = self._source.name
        if status == -signal.SIGKILL and not self._is_killed:
            # Nobody else kills that way without being asked to.
            reason = "The worker ended before it was ready: it was killed, maybe for memory."
            return OutOfMemory(reason, name=name)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return ModelLoadError(f"The worker ended before it was ready, with {how}.", name=name)

    def passed_on(self, slot: int, count: int) -> None:
        """Tell how much of a stream has gone on to the client."""
        if not self._is_closed:
            self._page.set_passed_on(slot, count)
            self._resume()

    def cancel(self, call_id: int) -> None:
        """Ask for the early end of a call that may run here."""
        for running in () if self._is_closed else self.running:
            if running.call_id == call_id:
                self._page.cancel(running.slot, call_id)
                self._resume()

    def _resume(self) -> None:
        try:
            self._control.send(Resume())
        except OSError:
            logger.debug("A worker has enough to read, or is gone.")

    def drain(self) -> None:
        """Let it finish what it runs, however long that takes, and end."""
        self.state, self.why = WorkerState.ENDING, WorkerEnd.REPLACED
        self.is_told = True
        self._page.request_stop()
        try:
            self._control.send(Stop())
        except OSError:
            logger.debug("A worker was gone before it could be told to stop.")

    def stop(self, grace_s: float) -> None:
        """Let it finish what it runs and end; after the grace it is killed."""
        self._is_killed = True
        if self.state in (WorkerState.WARM, WorkerState.READY):
            self.drain()
        self.state = WorkerState.ENDING
        assert self._executor is not None
        self._executor.stop(self._key, grace_s=grace_s)

    def kill(self) -> None:
        """End it now; it is replaced as if it had died by itself."""
        self._is_killed = True
        if self.state in (WorkerState.WARM, WorkerState.READY):
            self.state = WorkerState.ENDING
        assert self._executor is not None
        self._executor.stop(self._key, grace_s=0)

    def close(self) -> None:
        """Release what the server holds; the process is gone."""
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._page.close()
        self._is_closed = True
        self.state = WorkerState.ENDING
