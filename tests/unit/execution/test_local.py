# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every process that is started is told to have ended, once, and leaves nothing.

What the executor does as process 1 is shown by the integration tests.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from deepaas.errors import GuardFailed
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.local import LocalExecutor, python
from deepaas.execution.messages import Begin
from deepaas.records import Training
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import is_gone, open_fds, until, wait_for


class Ends:
    """What an executor's owner was told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def __call__(self, status: int) -> None:
        self.statuses.append(status)

    async def one(self) -> int:
        """Wait for an end; more than one is too many."""
        await until(lambda: self.statuses)
        await asyncio.sleep(0)
        (status,) = self.statuses
        return status


def start(executor: LocalExecutor, shell: str, fds: tuple[int, ...] = ()) -> tuple[int, Ends]:
    """Start a shell; return its key and what will tell its end."""
    ends = Ends()
    key = executor.start(["/bin/sh", "-c", shell], environment={"A": "b"}, fds=fds, on_end=ends)
    return key, ends


@asynccontextmanager
async def opened() -> AsyncIterator[LocalExecutor]:
    """Open an executor; it leaves no descriptor, no process and no folder."""
    # The loop's child watcher and its threads' descriptors are there from the first use on.
    await asyncio.to_thread(int)
    before = open_fds()
    async with LocalExecutor() as executor:
        assert executor.uploads.is_dir()
        yield executor
    assert not executor.uploads.exists()
    assert open_fds() == before
    assert [p for p in psutil.Process().children() if p.status() != "zombie"] == []


def guard_pid() -> int:
    """Return the pid of the one guard; just started, it has no command line to be known by yet."""

    def guards() -> list[int]:
        children = psutil.Process().children()
        living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child.pid for child in living if "deepaas.execution.guard" in child.cmdline()]

    (pid,) = wait_for(guards)
    return pid


async def test_a_program_that_cannot_be_started() -> None:
    async with opened() as executor:
        ends = Ends()
        executor.start(["/nowhere"], environment={}, fds=(), on_end=ends)
        assert await ends.one() == 127


async def test_a_guard_that_is_killed() -> None:
    """Its workers count as killed, what they started is gone, and the next one gets a guard."""
    async with opened() as executor:
        read, write = os.pipe()
        _, ends = start(executor, "setsid sleep 600 & echo $! >&3; exec sleep 600", (write,))
        os.close(write)
        left = int(await asyncio.to_thread(os.read, read, 100))
        os.close(read)
        os.kill(guard_pid(), signal.SIGKILL)
        assert await ends.one() == -signal.SIGKILL
        assert is_gone(left)
        assert executor.uploads.is_dir()
        _, ends = start(executor, "exit 5")
        assert await ends.one() == 5


async def test_a_worker_that_is_started_while_the_guard_dies() -> None:
    async with opened() as executor:
        guard = guard_pid()
        os.kill(guard, signal.SIGKILL)
        wait_for(lambda: is_gone(guard))  # and the loop knows nothing of it
        key, ends = start(executor, "exit 5")
        executor.stop(key, grace_s=0)
        assert await ends.one() == -signal.SIGKILL


@pytest.mark.parametrize(("shell", "status"), [("exit 3", 3), ("kill -TERM $$", -15)])
async def test_an_end_is_told_once(shell: str, status: int) -> None:
    async with opened() as executor:
        key, ends = start(executor, shell)
        assert await ends.one() == status
        executor.stop(key, grace_s=0)  # too late, and no harm
        _, other = start(executor, "true")
        assert await other.one() == 0
        assert ends.statuses == [status]


async def test_a_worker_that_is_stopped_is_killed_after_its_grace() -> None:
    async with opened() as executor:
        key, ends = start(executor, "trap '' TERM; sleep 600")
        executor.stop(key, grace_s=0.0)
        assert await ends.one() == -signal.SIGKILL


async def test_closing_ends_every_worker_and_tells_nobody() -> None:
    async with opened() as executor:
        read, write = os.pipe()
        _, ends = start(executor, "echo $$ >&3; exec sleep 600", (write,))
        os.close(write)
        pid = int(await asyncio.to_thread(os.read, read, 100))
        os.close(read)
        await executor.close()
        assert is_gone(pid)
        assert ends.statuses == []
        executor.stop(1, grace_s=0)


async def test_a_guard_that_does_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepaas.execution.local._GUARD_LEAVES_S", 0.1)
    async with opened():
        os.kill(guard_pid(), signal.SIGSTOP)


async def test_descriptors_stay_open_here() -> None:
    async with opened() as executor:
        read, write = os.pipe()
        _, ends = start(executor, "echo $A >&3", (write,))
        await ends.one()
        os.close(write)
        with open(read) as file:
            assert file.read() == "b\n"


# Trainings


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Return a new job's directory."""
    directory = JobDirectory(tmp_path / "job")
    directory.create(b"")
    return directory


async def test_a_training_whose_lock_is_held(directory: JobDirectory) -> None:
    async with opened() as executor:
        with holder(directory) as process:
            assert first_line(process) == "True"
            ended = asyncio.Event()
            assert await executor.start_job(directory, ended.set) is None
            await ended.wait()


async def test_a_training_whose_guard_cannot_work(tmp_path: Path) -> None:
    async with opened() as executor:
        ended = asyncio.Event()
        with pytest.raises(GuardFailed):
            await executor.start_job(JobDirectory(tmp_path / "gone"), ended.set)
        await ended.wait()


async def test_a_training_that_is_abandoned(directory: JobDirectory) -> None:
    async with opened() as executor:
        ended = asyncio.Event()
        process = await executor.start_job(directory, ended.set)
        assert process is not None
        assert directory.lock() is None
        process.abandon()
        process.abandon()
        await ended.wait()
        assert not directory.has_begun(1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            process.begin(Begin([], {}, 1, 1.0, Training()))


async def test_a_start_that_is_cancelled(directory: JobDirectory) -> None:
    async with opened() as executor:
        ended = asyncio.Event()
        starting = asyncio.create_task(executor.start_job(directory, ended.set))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await ended.wait()
        assert not directory.has_begun(1)


async def test_a_training_goes_on_when_the_executor_closes(directory: JobDirectory) -> None:
    ended = asyncio.Event()
    async with LocalExecutor() as executor:
        process = await executor.start_job(directory, ended.set)
        assert process is not None
        shell = 'touch "$1/ready"; while ! [ -e "$1/go" ]; do sleep 0.01; done'
        argv = ["/bin/sh", "-c", shell, "sh", str(directory.path)]
        process.begin(Begin(argv, {}, 1, 1.0, Training()))
        await until((directory.path / "ready").exists)
    assert directory.lock() is None
    (directory.path / "go").touch()
    await ended.wait()
    end = directory.end()
    assert isinstance(end, End)
    assert "exited with status 0" in (end.message or "")


def test_our_modules_run_in_a_fresh_interpreter_without_the_current_folder() -> None:
    assert python("a.b", "c") == [sys.executable, "-P", "-m", "a.b", "c"]
