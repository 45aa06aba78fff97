# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the services need of whoever runs a model, and a pool of the place where processes run."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import Answer, Begin
from deepaas.execution.stats import PoolStats
from deepaas.execution.streams import AnswerStream
from deepaas.records import PACKAGE_VERSION, CallInput, ModelSource, ServedVersion

#: Called once with the exit status, or the negative number of the signal.
OnEnd = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What calls and workers of one model may use; 0 stands for no limit."""

    #: Calls that wait for a worker; one more is refused. Here 0 is 0.
    max_queue: int = 1024
    #: Seconds that a call may wait, and may run; what the model says itself counts more.
    timeout_s: float = 0.0
    #: Resident memory of one worker.
    memory_bytes: int = 0
    #: Whether a call ends with its worker when nobody waits for its answer any more.
    kill_abandoned: bool = False


class Result(NamedTuple):
    """What a call gave: an answer, with the descriptor of its body where it came as one."""

    answer: Answer
    fd: int | None = None
    #: The body where it comes piece by piece; the answer says its type only.
    stream: AnswerStream | None = None
    #: Number of the version that answered.
    version: int = 0


class Load(NamedTuple):
    """How much of a pool is used."""

    #: How many calls it can run at once, now.
    capacity: int
    #: How many run or wait, those that nobody waits for included.
    calls: int
    #: Whether it takes no more, since it ends.
    is_refusing: bool


class CallTaker(Protocol):
    """Takes calls of one model; used from the event loop's thread only."""

    @property
    def load(self) -> Load:
        """How much of it is used."""
        ...

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
        """Run a function of the model and return what it answered.

        A caller that is cancelled drops its call while it is queued; once begun it runs on, unless
        the limits say otherwise.

        Args:
            function: See :class:`~deepaas.execution.messages.Call`.
            request_id: Appears in the worker's log.
            arguments: The parsed arguments, or ``None`` to have ``given`` parsed in the worker.
            given: The input, without its body if ``body_fd`` is set.
            body_fd: A memory file with the JSON body; stays open until ``release``.
            release: Called once, when the call needs ``body_fd`` and uploaded files no more.
            stream: The media type in which a client wants what a generator yields, or empty.
            principal: Who calls.
            job: Id of the job that the call is, for the worker's log; empty for none.

        Raises:
            WorkerDied: The worker ended before it answered.
            QueueFull, Unavailable: No worker can take it.
            TimedOut: It waited or ran longer than its limit.
        """
        ...


class ModelPool(CallTaker, Protocol):
    """Runs the calls of one model; used from the event loop's thread only."""

    source: ModelSource

    def start(self, version: ServedVersion = PACKAGE_VERSION) -> None:
        """Begin to load the model, of the version that is to be served."""
        ...

    async def restart(self, version: ServedVersion) -> None:
        """Begin to load another version after :meth:`wait_loaded` has failed.

        What waits for the model goes on to wait.
        """
        ...

    async def wait_loaded(self) -> None:
        """Wait until the model is loaded and warm.

        Raises:
            ModelLoadError: It cannot be.
        """
        ...

    async def switch(
        self,
        version: ServedVersion,
        *,
        commit: Callable[[], Awaitable[object]],
        in_place: bool = False,
    ) -> None:
        """Serve another version while calls go on; one switch at a time.

        Args:
            version: What is to be served.
            commit: Awaited once the version is warm, before it answers a call: makes the choice
                durable.
            in_place: Whether what serves now ends before the version is loaded, since memory does
                not allow both; calls wait meanwhile.

        Raises:
            ModelLoadError: The version cannot be loaded; nothing has changed.
            Conflict: This pool cannot switch.
            Unavailable: The pool is closed; nothing has changed.
            Exception: What ``commit`` raised; nothing has changed.
        """
        ...

    @property
    def version(self) -> ServedVersion:
        """What is served."""
        ...

    @property
    def why_fixed(self) -> str | None:
        """Why it cannot switch, ``None`` if it can."""
        ...

    @property
    def ready_workers(self) -> int:
        """How many workers could take a call now or soon."""
        ...

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer at the moment, ``None`` if it can."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits."""
        ...

    @property
    def stats(self) -> PoolStats:
        """What it does and has done; quick, and made for each caller."""
        ...

    def refuse(self) -> None:
        """Take no more calls; those that were taken go on."""
        ...

    async def close(self, *, grace_s: float) -> None:
        """End what serves the model; may be called twice."""
        ...


class JobProcess(Protocol):
    """The guard of one training, as the server that started it sees it."""

    def begin(self, begin: Begin) -> None:
        """Let it run the job; it needs this server no more."""
        ...

    def abandon(self) -> None:
        """Let it end without running anything."""
        ...


class Executor(Protocol):
    """Starts and ends the processes of models; used from the event loop's thread only."""

    @property
    def uploads(self) -> Path:
        """Folder for uploaded files; removed when the server is gone, however it went."""
        ...

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        fds: Sequence[int],
        on_end: OnEnd,
    ) -> int:
        """Start a worker and return its key; ``on_end`` follows, always, once.

        By then the process and all that it had started are gone. The descriptors become 3, 4 …
        in the child and stay open here.
        """
        ...

    def pid(self, key: int) -> int | None:
        """Return a worker's process id; ``None`` while it is not known, and after its end."""
        ...

    def stop(self, key: int, *, grace_s: float) -> None:
        """Kill a worker after the grace, unless it has ended by then."""
        ...

    async def start_job(
        self, directory: JobDirectory, on_end: Callable[[], None]
    ) -> JobProcess | None:
        """Start the guard of a training and let it take the job's lock.

        Returns:
            The guard, waiting for :meth:`JobProcess.begin`; ``None`` if the lock is held.

        Raises:
            GuardFailed: The guard ended without a word.
        """
        ...

    async def close(self) -> None:
        """End every worker; trainings go on."""
        ...
