# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The worker processes of one model: started, replaced when they end, replaced on request."""

import asyncio
import logging
from collections import Counter

from deepaas.errors import ModelLoadError, OutOfMemory
from deepaas.execution.base import Executor
from deepaas.execution.environment import worker_environment
from deepaas.execution.local import python
from deepaas.execution.messages import Channel, LoadFailed
from deepaas.execution.processes import is_stopped
from deepaas.execution.stats import WorkerEnd
from deepaas.execution.workers import Worker, WorkerOwner, WorkerState
from deepaas.records import PACKAGE_VERSION, LogSettings, ModelSource, ServedVersion

logger = logging.getLogger(__name__)

#: Workers that end one after another before they have answered anything are replaced at once this
#: often; then each replacement waits twice as long as the one before.
_QUICK_REPLACEMENTS = 5
_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 30.0
#: What a process that has nothing to do any more gets to end: threads of the model may keep it.
LEAVES_S = 1.0
#: How often a worker that was told to end is looked at.
_LOOK_S = 0.5


class Crew:
    """Keeps ``size`` workers of a model at work."""

    def __init__(
        self,
        source: ModelSource,
        owner: WorkerOwner,
        *,
        executor: Executor,
        size: int,
        calls: Channel,
        warm: bool,
        log: LogSettings,
        devices: tuple[str, ...] = (),
    ) -> None:
        self.workers: list[Worker] = []
        self.is_closing = False
        self.size = size
        #: What a worker serves that starts now, unless it is told otherwise.
        self.version = PACKAGE_VERSION
        self._source = source
        self._owner = owner
        self._executor = executor
        self._calls = calls
        self._warm = warm
        self._log = log
        self._devices = devices
        #: Why workers have ended.
        self.ends: Counter[str] = Counter()
        self._first_load = _new_future()
        self._was_loaded = False
        self._failures = 0
        self._failure: ModelLoadError | None = None
        self._all_gone = asyncio.Event()
        self._is_patient = False
        #: One for each worker that was told to end.
        self._seeing_off: set[asyncio.Task[None]] = set()

    def start(self, version: ServedVersion = PACKAGE_VERSION) -> None:
        """Start the workers."""
        self.version = version
        for index in range(self.size):
            self.start_worker(index)

    async def restart(self, version: ServedVersion) -> None:
        """Start anew with another version, after a start that failed."""
        for worker in self.workers:
            worker.is_told = True
            worker.kill()
        await asyncio.gather(*(asyncio.shield(worker.ended) for worker in self.workers))
        if not self.is_closing:
            self._failure = None
            self._first_load = _new_future()
            self.start(version)

    def start_worker(self, index: int, candidate: ServedVersion | None = None) -> Worker:
        """Start a worker in a place.

        Args:
            index: Of the place, from 0.
            candidate: The version of a worker that is tried, and waits; ``None``: it is to serve
                what the others do.
        """
        worker = Worker(
            self._source,
            self._owner,
            index=index,
            version=candidate or self.version,
            is_candidate=candidate is not None,
            on_closing=self._on_closing,
        )
        self.workers.append(worker)
        device = self._devices[index % len(self._devices)] if self._devices else ""
        worker.start(
            self._executor,
            python("deepaas.execution.worker", "predict"),
            worker_environment(self.size, device),
            self._calls,
            warm=self._warm,
            log=self._log,
        )
        return worker

    async def wait_loaded(self) -> None:
        """Wait until every worker of the start is ready.

        Raises:
            ModelLoadError: One of them could not load the model.
        """
        await asyncio.shield(self._first_load)

    @property
    def ready(self) -> int:
        """How many are loaded, warm and not told to end."""
        return sum(worker.state is WorkerState.READY for worker in self.workers)

    def has_room(self, at_once: int) -> bool:
        """Whether a worker, of which each runs so many calls at the same time, could begin one."""
        ready = (each for each in self.workers if each.state is WorkerState.READY)
        return any(len(each.running) < at_once for each in ready)

    @property
    def leaving_calls(self) -> int:
        """How many calls run on workers that were told to end."""
        if len(self.workers) <= self.size:
            return 0
        return sum(
            len(worker.running) for worker in self.workers if worker.state is WorkerState.ENDING
        )

    @property
    def is_hopeless(self) -> bool:
        """Whether nobody is there, and somebody will be in a while at best."""
        return self._failure is not None and not self.ready

    @property
    def problem(self) -> str | None:
        """Why none of them can take a call, ``None`` if one can."""
        ready = [worker for worker in self.workers if worker.state is WorkerState.READY]
        if not ready:
            return self._failure.message if self._failure is not None else "The model is loading."
        pids = [worker.pid for worker in ready]
        if all(pid is not None and is_stopped(pid) for pid in pids):
            return "Every worker is stopped (state T)."
        return None

    def on_loaded(self, worker: Worker) -> None:
        """Count a worker that is ready."""
        self._failure = None
        worker.set_patient(self._is_patient)
        if self.ready == self.size and not self._first_load.done():
            self._was_loaded = True
            self._first_load.set_result(None)

    def on_load_failed(self, worker: Worker, failed: LoadFailed) -> None:
        """Note why a worker cannot load the model; its end follows."""
        kind = OutOfMemory if failed.lacks_memory else ModelLoadError
        failure = kind(
            failed.reason,
            name=self._source.name,
            distribution=self._source.distribution,
            traceback=failed.traceback,
        )
        if worker.is_candidate:
            worker.loaded.set_exception(failure)
            return
        if worker.is_told:
            return
        if self._was_loaded:
            logger.error(
                "%s\n%s",
                failed.reason,
                failed.traceback,
                extra={"action": "reload_failed", "model": self._source.name},
            )
        self._failure = failure

    def on_end(self, worker: Worker, status: int, *, was_serving: bool) -> None:
        """Replace a worker that ended, unless it was meant to."""
        was_told = worker.state is WorkerState.ENDING and worker.is_told
        self.workers.remove(worker)
        if self.is_closing:
            if not self.workers:
                self._all_gone.set()
            return
        self.ends[worker.why if was_serving else WorkerEnd.NOT_LOADED] += 1
        if was_told or worker.is_candidate:
            return
        self._report_end(worker, status, was_serving=was_serving)
        if was_serving:
            self._replace_ready(worker)
        else:
            self._replace_failed(worker)

    def _report_end(self, worker: Worker, status: int, *, was_serving: bool) -> None:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        if not was_serving and self._failure is None:
            reason = f"{self._source.label}: its process ended with {how}."
            self.on_load_failed(worker, LoadFailed(reason, ""))
        if was_serving or self._was_loaded:
            logger.error(
                "A worker of model %s ended with %s; it is replaced.",
                self._source.name,
                how,
                extra={"action": "worker_ended", "model": self._source.name, "status": status},
            )

    def _on_closing(self, worker: Worker, reason: str) -> None:
        """Replace a worker that cannot go on; what it runs it may finish, if it can."""
        if self.is_closing or worker.is_told:
            return
        logger.error(
            "A worker of model %s is replaced: %s.",
            self._source.name,
            reason,
            extra={"action": "worker_closing", "model": self._source.name},
        )
        self.send_off(worker)
        worker.why = WorkerEnd.DAMAGED
        self._replace_ready(worker)

    def send_off(self, worker: Worker) -> None:
        """Let a worker finish what it runs, however long that takes, and end."""
        worker.drain()
        task = asyncio.create_task(_see_off(worker), name="worker leaves")
        self._seeing_off.add(task)
        task.add_done_callback(self._seeing_off.discard)

    def _replace_ready(self, worker: Worker) -> None:
        # One that has only failed may do so for ever.
        if worker.has_succeeded:
            self._failures = 0
        elif not worker.is_blameless:
            self._failures += 1
        if self._failures <= _QUICK_REPLACEMENTS:
            self.start_worker(worker.index)
            return
        self._failure = ModelLoadError(
            f"{self._source.label}: its workers end again and again before they answer a call.",
            name=self._source.name,
            distribution=self._source.distribution,
        )
        self._start_later(worker.index, self._failures - _QUICK_REPLACEMENTS)

    def _replace_failed(self, worker: Worker) -> None:
        if not self._first_load.done():
            assert self._failure is not None
            self._first_load.set_exception(self._failure)
        if self._was_loaded:
            self._failures += 1
            self._start_later(worker.index, self._failures)

    def _start_later(self, index: int, attempt: int) -> None:
        delay_s = min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(attempt - 1, 10))
        asyncio.get_running_loop().call_later(delay_s, self.fill, index)

    def fill(self, index: int) -> None:
        """Start a worker in a place, unless the place is taken."""
        if not self.is_closing and not self.at(index):
            self.start_worker(index)

    def at(self, index: int) -> list[Worker]:
        """Return the workers of a place that are neither candidates nor told to end."""
        return [
            worker
            for worker in self.workers
            if worker.index == index and not worker.is_candidate and not worker.is_told
        ]

    def set_patient(self, patient: bool) -> None:
        """Choose for all; see :meth:`.workers.Worker.set_patient`."""
        if patient != self._is_patient:
            self._is_patient = patient
            for worker in self.workers:
                worker.set_patient(patient)

    async def close(self, grace_s: float) -> None:
        """End the workers; what runs gets the grace."""
        self.is_closing = True
        for worker in self.workers:
            worker.stop(grace_s)
        if self.workers:
            await self._all_gone.wait()
        if self._seeing_off:
            await asyncio.wait(self._seeing_off)
        if not self._first_load.done():
            self._first_load.cancel()
        elif not self._first_load.cancelled():
            self._first_load.exception()  # retrieved here, so that nobody warns of it


async def _see_off(worker: Worker) -> None:
    """Kill a worker that was told to end and does not, though it runs nothing."""
    while not worker.ended.done():
        await asyncio.wait({worker.ended}, timeout=_LOOK_S)
        if not worker.ended.done() and not worker.running and not worker.is_receiving:
            worker.stop(LEAVES_S)
            return


def _new_future() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()
