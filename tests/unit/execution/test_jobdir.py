# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job's directory knows one end, one living guard and each attempt once."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepaas.execution.jobdir import End, JobDirectory, sync_directory
from deepaas.execution.processes import kill_group
from tests.unit.parts import open_fds

#: Takes the lock, forks a child that lives on, and says so; ends when its input does.
HOLDER = """
import os, sys, time
from pathlib import Path
from deepaas.execution.jobdir import JobDirectory
lock = JobDirectory(Path(sys.argv[1])).lock()
if "fork" in sys.argv and os.fork() == 0:
    os.close(0)
    time.sleep(600)
print(lock is not None, flush=True)
sys.stdin.read()
"""
#: Forks processes that all try to decide at the same moment; prints the winners' numbers.
DECIDERS = """
import os, sys
from pathlib import Path
from deepaas.execution.jobdir import End, JobDirectory
directory = JobDirectory(Path(sys.argv[1]))
ready, go = os.pipe()
pids = []
for number in range(25):
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(ready, 1)
        os._exit(int(directory.decide(End.now("done", str(number)))))
    pids.append(pid)
os.close(go)
print([number for number, pid in enumerate(pids) if os.waitpid(pid, 0)[1]])
"""


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Return a new job's directory."""
    directory = JobDirectory(tmp_path / "jobs" / "1")
    directory.create(b"call")
    return directory


@contextmanager
def holder(directory: JobDirectory, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that tries to hold the lock; its first line says whether it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory.path), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_group(process.pid, signal.SIGKILL)
        process.communicate()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def no_space(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size`` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_directory_is_made_once(directory: JobDirectory) -> None:
    with pytest.raises(FileExistsError):
        directory.create(b"other")
    assert directory.call.read_bytes() == b"call"


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        JobDirectory(tmp_path / "file" / "1").create(b"")


def test_a_new_directory_belongs_to_its_user_alone(directory: JobDirectory) -> None:
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert directory.inputs.is_dir()
    assert directory.checkpoints.is_dir()
    assert directory.artifacts.is_dir()


@pytest.mark.parametrize("size", [0, 10])
def test_a_file_for_which_there_is_no_space_is_not_left_half_written(
    directory: JobDirectory, size: int
) -> None:
    names = sorted(os.listdir(directory.path))
    before = open_fds()
    with no_space(size):
        with pytest.raises(OSError, match="large"):
            directory.decide(End.now("done", "x" * 1000))
        with pytest.raises(OSError, match="large"):
            directory.write_outcome(End.now("done", "x" * 1000))
    assert sorted(os.listdir(directory.path)) == names
    assert directory.end() is None
    assert directory.outcome() is None
    assert open_fds() == before


def test_of_many_threads_one_decides(directory: JobDirectory) -> None:
    together = threading.Barrier(50)

    def decide(number: int) -> bool:
        together.wait()
        return directory.decide(End.now("done", str(number)))

    with ThreadPoolExecutor(50) as pool:
        won = list(pool.map(decide, range(50)))
    assert won.count(True) == 1
    end = directory.end()
    assert end is not None
    assert end.message == str(won.index(True))
    assert list(directory.path.glob("*.tmp")) == []


def test_of_many_processes_one_decides(directory: JobDirectory) -> None:
    script = [sys.executable, "-c", DECIDERS, str(directory.path)]
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True)
    end = directory.end()
    assert end is not None
    assert done.stdout.strip() == f"[{end.message}]"
    assert list(directory.path.glob("*.tmp")) == []


def test_an_end_never_changes(directory: JobDirectory) -> None:
    assert not directory.is_decided()
    assert directory.end() is None
    first = End.now("cancelled")
    assert directory.decide(first)
    written = (directory.path / "end.json").read_bytes()
    assert not directory.decide(End.now("done", result="1"))
    assert not directory.decide(first)
    assert directory.is_decided()
    assert directory.end() == first
    assert (directory.path / "end.json").read_bytes() == written


def test_a_directory_that_was_removed_cannot_be_decided(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        directory.decide(End.now("done"))
    with pytest.raises(FileNotFoundError):
        directory.lock()
    assert directory.end() is None
    assert not directory.is_decided()


def test_an_outcome_is_no_end(directory: JobDirectory) -> None:
    assert not directory.has_outcome()
    assert directory.outcome() is None
    outcome = End.now("done", None, '{"é": "\\ud83d"}')
    directory.write_outcome(outcome)
    assert directory.has_outcome()
    assert directory.outcome() == outcome
    assert not directory.is_decided()


def test_an_attempt_begins_once(directory: JobDirectory) -> None:
    assert not directory.has_begun(1)
    with ThreadPoolExecutor(20) as pool:
        began = list(pool.map(lambda _: directory.begin(1), range(20)))
    assert began.count(True) == 1
    assert directory.has_begun(1)
    assert not directory.has_begun(2)
    assert directory.begin(2)


def test_a_lock_that_another_process_holds(directory: JobDirectory) -> None:
    with holder(directory) as process:
        assert first_line(process) == "True"
        before = open_fds()
        assert directory.lock() is None
        assert open_fds() == before
        process.communicate("")
        lock = directory.lock()
    assert lock is not None
    with holder(directory) as process:
        assert first_line(process) == "False"
    os.close(lock)
    with holder(directory) as process:
        assert first_line(process) == "True"


def test_a_lock_frees_when_its_process_is_killed_although_a_fork_lives(
    directory: JobDirectory,
) -> None:
    with holder(directory, "fork") as process:
        assert first_line(process) == "True"
        assert directory.lock() is None
        process.kill()
        process.wait()
        lock = directory.lock()
        assert lock is not None
        os.killpg(process.pid, 0)  # the fork is there
        os.close(lock)


def test_a_lock_is_not_inherited(directory: JobDirectory) -> None:
    lock = directory.lock()
    assert lock is not None
    assert not os.get_inheritable(lock)
    os.close(lock)


def test_now_is_utc_and_has_microseconds() -> None:
    end = End.now("error", "why")
    moment = datetime.fromisoformat(end.finished)
    assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    assert len(end.finished.partition(".")[2]) == len("123456+00:00")
    assert end[2:] == ("why", None)


def test_only_a_folder_can_be_made_durable(directory: JobDirectory) -> None:
    before = open_fds()
    sync_directory(directory.path)
    with pytest.raises(NotADirectoryError):
        sync_directory(directory.call)
    assert open_fds() == before
