# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a pool and a job runner need of the place where processes run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import Begin

#: Called once with the exit status, or the negative number of the signal.
OnEnd = Callable[[int], None]


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
