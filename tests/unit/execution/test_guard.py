# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of the workers says how each one ended, and leaves nothing of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.local import python
from deepaas.execution.messages import (
    Channel,
    ProcessEnded,
    ProcessStarted,
    StartProcess,
    StopProcess,
)
from deepaas.execution.processes import MARKER
from tests.unit.parts import is_gone, wait_for

#: A server that starts a guard, lets it start a child, and is killed.
SERVER = """
import os, signal, subprocess, sys
from deepaas.execution.local import python
from deepaas.execution.messages import Channel, StartProcess
ours, theirs = Channel.pair()
forked = os.fork() if "fork" in sys.argv else 1
if forked == 0:
    signal.pause()  # keeps the channel open after the server's end
command = python("deepaas.execution.guard", sys.argv[1], str(os.getpid()))
guard = subprocess.Popen(command, stdin=theirs.fileno())
ours.send(StartProcess(1, ["/bin/sleep", "600"], {}, "m"))
started, _ = ours.receive(wait=True)
print(guard.pid, started.pid, forked, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class Guarded:
    """A guard whose server is this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "upload").touch()
        self.channel, theirs = Channel.pair()
        self.process = subprocess.Popen(
            python("deepaas.execution.guard", str(folder), str(os.getpid())),
            stdin=theirs.fileno(),
        )
        theirs.close()

    def start(self, key: int, shell: str, fds: tuple[int, ...] = (), marker: str = "m") -> int:
        """Start a shell and return its pid."""
        argv = ["/bin/sh", "-c", shell]
        self.channel.send(StartProcess(key, argv, {"GIVEN": "yes"}, marker), fds)
        started = self.hear()
        assert isinstance(started, ProcessStarted)
        assert started.key == key
        return started.pid

    def hear(self) -> Any:
        """Wait for what the guard says."""
        message, fds = self.channel.receive(wait=True)
        assert fds == []
        return message


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guarded]:
    """Lend a guard; it ends with its channel and takes its folder away."""
    guard = Guarded(tmp_path / "uploads")
    yield guard
    guard.channel.close()
    assert guard.process.wait(60) == 0
    assert not guard.folder.exists()


def test_a_program_that_cannot_be_started(guard: Guarded) -> None:
    guard.channel.send(StartProcess(4, ["/nowhere"], {}, "m"))
    assert guard.hear() == ProcessEnded(4, 127)
    guard.start(5, "true")
    assert guard.hear() == ProcessEnded(5, 0)


@pytest.mark.parametrize(("shell", "status"), [("exit 3", 3), ("kill -SEGV $$", -11)])
def test_an_end_is_told_with_its_status(guard: Guarded, shell: str, status: int) -> None:
    guard.start(1, shell)
    assert guard.hear() == ProcessEnded(1, status)


def test_what_a_child_started_is_gone_when_its_end_is_told(guard: Guarded) -> None:
    """Also what has left its group, its session and its parent."""
    read, write = os.pipe()
    guard.start(1, "setsid sleep 600 & echo $! >&3; sleep 600 & echo $! >&3", (write,))
    os.close(write)
    assert guard.hear() == ProcessEnded(1, 0)
    with open(read) as file:
        left = [int(line) for line in file]
    assert len(left) == 2
    assert all(is_gone(pid) for pid in left)


def test_children_do_not_suffer_for_each_other(guard: Guarded) -> None:
    first = guard.start(1, "sleep 600", marker="a")
    second = guard.start(2, "sleep 600", marker="b")
    os.kill(first, signal.SIGKILL)
    assert guard.hear() == ProcessEnded(1, -9)
    assert not is_gone(second)


def test_a_child_that_is_to_stop_gets_its_grace(guard: Guarded) -> None:
    guard.start(1, "trap '' TERM; sleep 600", marker="a")
    read, write = os.pipe()
    guard.start(2, "read line <&3; exit 7", (read,), marker="b")
    guard.channel.send(StopProcess(2, 60.0))
    guard.channel.send(StopProcess(1, 0.0))
    assert guard.hear() == ProcessEnded(1, -9)
    os.write(write, b"\n")
    assert guard.hear() == ProcessEnded(2, 7)
    guard.channel.send(StopProcess(1, 0.0))  # gone already
    os.close(read)
    os.close(write)


def test_a_child_carries_its_marker_and_its_environment(guard: Guarded) -> None:
    read, write = os.pipe()
    guard.start(1, f"echo ${MARKER} $GIVEN >&3", (write,), marker="mark")
    os.close(write)
    with open(read) as file:
        assert file.read() == "mark yes\n"
    guard.hear()


def test_the_guard_cannot_be_ended_by_what_ends_a_terminal(guard: Guarded) -> None:
    guard.start(1, "sleep 600")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        guard.process.send_signal(number)
    guard.start(2, "true")
    assert guard.hear() == ProcessEnded(2, 0)


def test_everything_ends_with_the_channel(tmp_path: Path) -> None:
    """A child that does not listen, and one that does."""
    guard = Guarded(tmp_path / "uploads")
    mark = tmp_path / "ended"
    read, write = os.pipe()
    deaf = guard.start(1, "trap '' TERM; echo >&3; while :; do sleep 1; done", (write,))
    listening = guard.start(
        2, f"trap 'touch {mark}; exit' TERM; echo >&3; while :; do sleep 0.01; done", (write,)
    )
    os.read(read, 1)
    os.read(read, 1)
    os.close(read)
    os.close(write)
    guard.channel.close()
    assert guard.process.wait(60) == 0
    assert is_gone(deaf)
    assert is_gone(listening)
    assert mark.exists()
    assert not guard.folder.exists()


@pytest.mark.parametrize("options", [[], ["fork"]])
def test_everything_ends_with_the_server(tmp_path: Path, options: list[str]) -> None:
    """Also where the channel stays open, because the server had forked."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), *options], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    guard, child, forked = (int(word) for word in server.stdout.readline().split())
    server.stdout.close()
    assert server.wait(60) == -signal.SIGKILL
    wait_for(lambda: is_gone(guard) and is_gone(child))
    assert not folder.exists()
    if options:
        os.kill(forked, signal.SIGKILL)


def test_a_server_that_is_gone_before_the_guard_began(tmp_path: Path) -> None:
    """It is not this process's child, so this process is not its server."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    ours, theirs = Channel.pair()
    other = subprocess.Popen(["sleep", "600"])
    guard = subprocess.Popen(
        python("deepaas.execution.guard", str(folder), str(other.pid)), stdin=theirs.fileno()
    )
    assert guard.wait(60) == 0
    assert not folder.exists()
    other.kill()
    other.wait()
    ours.close()
    theirs.close()
