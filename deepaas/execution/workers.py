# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One prediction worker as the server sees it: its process, its control channel, its page."""

import asyncio
import logging
import os
from collections.abc import Callable
from enum import StrEnum

from deepaas.execution.base import Executor
from deepaas.execution.messages import (
    Answer,
    Channel,
    ChannelClosed,
    Loaded,
    LoadFailed,
    LoadModel,
    Stop,
)
from deepaas.execution.page import CallPage, Running
from deepaas.records import LogSettings, ModelDescription, ModelSource

logger = logging.getLogger(__name__)

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def worker_environment(workers: int) -> dict[str, str]:
    """Return what is added to the environment of each of ``workers`` processes.

    Numerical libraries start a thread per core in every process unless told otherwise, and
    TensorFlow takes all of a GPU's memory; what the operator has set stands.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(max(1, cores // max(1, workers))))
    wanted["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    return {name: value for name, value in wanted.items() if name not in os.environ}


class WorkerState(StrEnum):
    """Where a worker stands."""

    #: Its process starts, imports the model and warms it.
    LOADING = "loading"
    #: It takes calls.
    READY = "ready"
    #: It was told to end, or has ended.
    ENDING = "ending"


class Worker:
    """Owns what the server holds of one worker process."""

    def __init__(
        self,
        source: ModelSource,
        *,
        warm: bool,
        on_loaded: Callable[[ModelDescription], None],
        on_failed: Callable[[str, str], None],
        on_answer: Callable[[Answer, list[int]], None],
        on_end: Callable[["Worker", int], None],
        log: LogSettings | None = None,
    ) -> None:
        self.state = WorkerState.LOADING
        self._source = source
        self._warm = warm
        self._log = log
        self._on_loaded = on_loaded
        self._on_failed = on_failed
        self._on_answer = on_answer
        self._on_end = on_end
        self._key = 0
        self._control, self._workers_end = Channel.pair()
        self._control.socket.setblocking(False)
        self._page_fd = CallPage.create()
        self._page = CallPage(self._page_fd)

    def start(
        self, executor: Executor, argv: list[str], environment: dict[str, str], calls: Channel
    ) -> None:
        """Start the process; ``calls`` is the end that all workers of the model read."""
        asyncio.get_running_loop().add_reader(self._control.fileno(), self.read_answers)
        self._control.send(LoadModel(self._source, self._warm, self._log))
        fds = (calls.fileno(), self._workers_end.fileno(), self._page_fd)
        self._key = executor.start(argv, environment=environment, fds=fds, on_end=self._ended)
        # Ours would keep the channel open after the worker's end.
        self._workers_end.close()
        os.close(self._page_fd)

    @property
    def running(self) -> Running | None:
        """The call it has begun and not answered; true also after its death."""
        return self._page.running

    @property
    def is_receiving(self) -> bool:
        """Whether it may hold a call that it has not noted yet."""
        return self._page.is_receiving

    def read_answers(self) -> None:
        """Pass on everything that the worker has said."""
        try:
            while True:
                message, fds = self._control.receive()
                match message:
                    case Answer():
                        self._on_answer(message, fds)
                    case Loaded(description):
                        if self.state is WorkerState.LOADING:
                            self.state = WorkerState.READY
                            self._on_loaded(description)
                    case LoadFailed(reason, traceback):
                        self._on_failed(reason, traceback)
        except BlockingIOError:
            return
        except (ChannelClosed, ConnectionResetError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())

    def _ended(self, status: int) -> None:
        self.read_answers()
        self._on_end(self, status)

    def stop(self, executor: Executor, grace_s: float) -> None:
        """Let it finish what it runs and end; after the grace it is killed."""
        if self.state is WorkerState.READY:
            self._page.request_stop()
            try:
                self._control.send(Stop())
            except OSError:
                logger.debug("A worker was gone before it could be told to stop.")
        self.state = WorkerState.ENDING
        executor.stop(self._key, grace_s=grace_s)

    def close(self) -> None:
        """Release what the server holds; the process is gone."""
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._page.close()
        self.state = WorkerState.ENDING
