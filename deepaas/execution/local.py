# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Processes on this machine, started through guards."""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepaas.errors import GuardFailed
from deepaas.execution.base import OnEnd
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import (
    Begin,
    Channel,
    ChannelClosed,
    Locked,
    ProcessEnded,
    ProcessStarted,
    StartProcess,
    StopProcess,
    write_all,
)
from deepaas.execution.processes import kill_all
from deepaas.execution.scratch import make_scratch

logger = logging.getLogger(__name__)

_GUARD_LEAVES_S = 5.0
_TEE_BYTES = 64 * 1024
_JOB_GUARD_ANSWERS_S = 30.0


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs one of our modules in a fresh interpreter."""
    return [sys.executable, "-P", "-m", module, *arguments]


@dataclass(slots=True)
class _Child:
    marker: str
    on_end: OnEnd
    pid: int | None = None


class LocalExecutor:
    """An :class:`~deepaas.execution.base.Executor`; opened and closed with ``async with``.

    Args:
        on_output: Called with what workers print, which is printed all the same; without it they
            print to this process's streams themselves.
    """

    def __init__(self, on_output: Callable[[bytes], None] | None = None) -> None:
        self._on_output = on_output
        #: Standard output and error of the workers, where they are not this process's.
        self._outputs: tuple[int, int] | None = None
        #: The end to read of each pipe that workers print to, to its other end and the target.
        self._tees: dict[int, tuple[int, int]] = {}
        self._uploads = make_scratch()
        self._children: dict[int, _Child] = {}
        self._last_key = 0
        self._channel: Channel | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._guard_gone = asyncio.Event()
        self._guard_pids: set[int] = set()

    async def __aenter__(self) -> "LocalExecutor":
        if self._on_output is not None:
            self._outputs = (self._tee(1), self._tee(2))
        self._start_guard()
        if os.getpid() == 1:
            loop = asyncio.get_running_loop()
            # Not by the loop: uvloop refuses to handle this one.
            signal.signal(signal.SIGCHLD, lambda *_: loop.call_soon_threadsafe(self._reap_orphans))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @property
    def uploads(self) -> Path:
        """Folder for uploaded files."""
        return self._uploads

    def _tee(self, target_fd: int) -> int:
        """Return a descriptor to write to: what comes there is told and written to the target."""
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        self._tees[read] = (write, target_fd)
        asyncio.get_running_loop().add_reader(read, self._pass_on, read)
        return write

    def _pass_on(self, read: int) -> bool:
        """Take some of what was printed; false if there is nothing."""
        assert self._on_output is not None
        try:
            data = os.read(read, _TEE_BYTES)
        except BlockingIOError:
            return False
        self._on_output(data)
        try:
            write_all(self._tees[read][1], data)
        except OSError:
            logger.debug("Nobody reads what workers print.")
        return True

    def _close_tees(self) -> None:
        for read, (write, _) in self._tees.items():
            asyncio.get_running_loop().remove_reader(read)
            while self._pass_on(read):
                pass  # what was printed at last
            os.close(read)
            os.close(write)
        self._tees.clear()

    def _start_guard(self) -> None:
        self._uploads.mkdir(mode=0o700, exist_ok=True)
        ours, theirs = Channel.pair()
        self._guard = subprocess.Popen(
            python("deepaas.execution.guard", str(self._uploads), str(os.getpid())),
            stdin=theirs.fileno(),
            stdout=None if self._outputs is None else self._outputs[0],
            stderr=None if self._outputs is None else self._outputs[1],
            start_new_session=True,
        )
        theirs.close()
        ours.socket.setblocking(False)
        self._channel = ours
        self._guard_gone.clear()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, ours)
        self._watch(self._guard, self._on_guard_end)

    def _watch(self, guard: "subprocess.Popen[bytes]", on_end: Callable[[], None]) -> None:
        """Call back once when a guard has ended, and reap it."""
        loop = asyncio.get_running_loop()
        fd = os.pidfd_open(guard.pid)
        self._guard_pids.add(guard.pid)

        def ended() -> None:
            loop.remove_reader(fd)
            os.close(fd)
            guard.wait()
            self._guard_pids.discard(guard.pid)
            if os.getpid() == 1:
                self._reap_orphans()
            on_end()

        loop.add_reader(fd, ended)

    def _hear(self, channel: Channel) -> None:
        try:
            while True:
                message, _ = channel.receive()
                match message:
                    case ProcessStarted(key, pid) if key in self._children:
                        self._children[key].pid = pid
                    case ProcessEnded(key, status) if key in self._children:
                        self._children.pop(key).on_end(status)
        except BlockingIOError:
            return
        except (ChannelClosed, ConnectionResetError):
            asyncio.get_running_loop().remove_reader(channel.fileno())

    def _on_guard_end(self) -> None:
        """Take what the guard had said before it ended, and count the rest as killed.

        The kernel has killed the workers (their parent is gone); what these had started is left.
        """
        if self._channel is not None:
            self._hear(self._channel)
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._channel.close()
            self._channel = None
        self._guard_gone.set()
        orphaned, self._children = self._children, {}
        if orphaned:
            logger.error(
                "The guard of the workers was killed; they are started anew.",
                extra={"action": "guard_lost", "workers": len(orphaned)},
            )
        for child in orphaned.values():
            kill_all(child.marker)
            child.on_end(-signal.SIGKILL)

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        fds: Sequence[int],
        on_end: OnEnd,
    ) -> int:
        """Start a worker; see :meth:`deepaas.execution.base.Executor.start`."""
        if self._channel is None:
            self._start_guard()
        assert self._channel is not None
        self._last_key += 1
        marker = f"{os.getpid()}-{self._last_key}-{os.urandom(4).hex()}"
        self._children[self._last_key] = _Child(marker, on_end)
        try:
            self._channel.send(StartProcess(self._last_key, argv, environment, marker), fds)
        except OSError:
            # The guard is dying; its end, which is told soon, ends this child too.
            logger.warning("A worker could not be started: its guard is gone.")
        return self._last_key

    def pid(self, key: int) -> int | None:
        """Return a worker's process id; see :meth:`deepaas.execution.base.Executor.pid`."""
        child = self._children.get(key)
        return None if child is None else child.pid

    def stop(self, key: int, *, grace_s: float) -> None:
        """End a worker; see :meth:`deepaas.execution.base.Executor.stop`."""
        if self._channel is not None and key in self._children:
            try:
                self._channel.send(StopProcess(key, grace_s))
            except OSError:
                logger.debug("The guard is gone, and its workers with it.")

    async def start_job(
        self, directory: JobDirectory, on_end: Callable[[], None]
    ) -> "LocalJobProcess | None":
        """Start the guard of a training; see :meth:`deepaas.execution.base.Executor.start_job`."""
        ours, theirs = Channel.pair()
        process = subprocess.Popen(  # noqa: ASYNC220 - vfork and exec take a millisecond
            python("deepaas.execution.job_guard", str(directory.path)),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        ours.socket.setblocking(False)
        self._watch(process, on_end)
        try:
            async with asyncio.timeout(_JOB_GUARD_ANSWERS_S):
                message = await _next_message(ours)
        except (ChannelClosed, ConnectionResetError, TimeoutError) as exc:
            ours.close()
            raise GuardFailed from exc
        except BaseException:
            ours.close()
            raise
        if isinstance(message, Locked):
            return LocalJobProcess(ours)
        ours.close()
        return None

    async def close(self) -> None:
        """End every worker and the guard, and remove the uploads; trainings go on."""
        loop = asyncio.get_running_loop()
        if os.getpid() == 1:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self._channel is not None and self._guard is not None:
            # The children's ends are of no interest any more; the guard ends when it reads EOF.
            self._children.clear()
            loop.remove_reader(self._channel.fileno())
            self._channel.close()
            self._channel = None
            try:
                await asyncio.wait_for(self._guard_gone.wait(), _GUARD_LEAVES_S)
            except TimeoutError:
                self._guard.kill()
                await self._guard_gone.wait()
        self._close_tees()
        await asyncio.to_thread(shutil.rmtree, self._uploads, ignore_errors=True)

    def _reap_orphans(self) -> None:
        """As process 1, collect the processes that nobody else will; guards have their watchers.

        The kernel shows one ended child at a time: behind a guard's, the rest waits for its
        watcher.
        """
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in self._guard_pids:
                return
            os.waitpid(found.si_pid, 0)


class LocalJobProcess:
    """A :class:`~deepaas.execution.base.JobProcess`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def begin(self, begin: Begin) -> None:
        """Let it run the job."""
        self._channel.send(begin)
        self._channel.close()

    def abandon(self) -> None:
        """Let it end without running anything."""
        self._channel.close()


async def _next_message(channel: Channel) -> object:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(channel.fileno(), readable.set)
    try:
        while True:
            try:
                return channel.receive()[0]
            except BlockingIOError:
                readable.clear()
                await readable.wait()
    finally:
        loop.remove_reader(channel.fileno())
