# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of a training writes one end, whoever ends what, and leaves no process."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.job_guard import describe_exit
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.local import python
from deepaas.execution.messages import Begin, Busy, Channel, Locked
from deepaas.execution.processes import MARKER
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import is_gone, wait_for

OUTCOME = f"""{sys.executable} -c "
import sys
from pathlib import Path
from deepaas.execution.jobdir import End, JobDirectory
JobDirectory(Path(sys.argv[1])).write_outcome(End.now('done', result='1'))
" """
#: The guard, impatient with a training that does not leave after its outcome.
IMPATIENT = "from deepaas.execution import job_guard as g; g._LEAVE_S = 0.0; g.main()"


class Guarded:
    """The guard of a training, which this process started."""

    def __init__(self, path: Path, command: list[str] | None = None) -> None:
        self.directory = JobDirectory(path)
        self.channel, theirs = Channel.pair()
        self.process = subprocess.Popen(
            command or python("deepaas.execution.job_guard", str(path)),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()

    def hear(self) -> Any:
        """Wait for what the guard says."""
        return self.channel.receive(wait=True)[0]

    def begin(self, shell: str, *, attempt: int = 1, grace_s: float = 60.0) -> None:
        """Let it run a shell that finds the directory's path in ``$1``."""
        assert self.hear() == Locked()
        argv = ["/bin/sh", "-c", shell, "sh", str(self.directory.path)]
        self.channel.send(Begin(argv, {"GIVEN": "yes"}, attempt, grace_s))
        self.channel.close()

    def end(self) -> End:
        """Wait until it has ended, and return the job's end."""
        assert self.process.wait(60) == 0
        end = self.directory.end()
        assert end is not None
        return end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a new job's directory."""
    directory = JobDirectory(tmp_path / "job")
    directory.create(b"")
    return directory.path


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0 before train() returned"),
        (3, "exited with status 3"),
        (-9, "killed by SIGKILL; the kernel does this when memory runs out"),
        (-11, "killed by SIGSEGV."),
        (-63, "killed by 63."),
    ],
)
def test_an_end_without_a_word_is_put_into_words(status: int, words: str) -> None:
    assert words in describe_exit(status)


def test_a_training_whose_lock_is_held(path: Path) -> None:
    with holder(JobDirectory(path)) as process:
        assert first_line(process) == "True"
        guard = Guarded(path)
        assert guard.hear() == Busy()
        assert guard.process.wait(60) == 0
    guard.channel.close()
    assert not JobDirectory(path).has_begun(1)


def test_a_server_that_goes_before_it_said_begin(path: Path) -> None:
    guard = Guarded(path)
    assert guard.hear() == Locked()
    assert guard.directory.lock() is None
    guard.channel.close()
    assert guard.process.wait(60) == 0
    assert not guard.directory.has_begun(1)
    assert not guard.directory.is_decided()


@pytest.mark.parametrize("what", ["decided", "begun"])
def test_what_is_over_is_not_run(path: Path, what: str) -> None:
    """Cancelled while it was claimed; or an attempt that somebody had begun."""
    guard = Guarded(path)
    if what == "decided":
        guard.directory.decide(End.now("cancelled"))
    else:
        guard.directory.begin(1)
    guard.begin("touch $1/ran")
    assert guard.process.wait(60) == 0
    assert not (path / "ran").exists()
    assert guard.directory.has_begun(1) == (what == "begun")


def test_a_training_that_cannot_be_started(path: Path) -> None:
    guard = Guarded(path)
    assert guard.hear() == Locked()
    guard.channel.send(Begin(["/nowhere"], {}, 1, 1.0))
    guard.channel.close()
    end = guard.end()
    assert end.state == "error"
    assert "could not be started" in (end.message or "")


@pytest.mark.parametrize(
    ("shell", "message"),
    [("exit 3", "exited with status 3"), ("kill -SEGV $$", "killed by SIGSEGV")],
)
def test_a_training_that_ends_without_an_outcome(path: Path, shell: str, message: str) -> None:
    guard = Guarded(path)
    guard.begin(shell)
    end = guard.end()
    assert end.state == "error"
    assert message in (end.message or "")


@pytest.mark.parametrize("status", [0, 1])
def test_an_outcome_is_the_end_whatever_the_status(path: Path, status: int) -> None:
    guard = Guarded(path)
    guard.begin(f'{OUTCOME} "$1"; exit {status}')
    assert guard.end()[2:] == (None, "1")


def test_an_outcome_ends_a_training_that_does_not_leave(path: Path) -> None:
    guard = Guarded(path, [sys.executable, "-c", IMPATIENT, str(path)])
    guard.begin(f'{OUTCOME} "$1"; trap "" TERM; while :; do sleep 1; done')
    assert guard.end().state == "done"


def test_a_cancelled_training_gets_its_grace(path: Path) -> None:
    guard = Guarded(path)
    guard.begin('trap "touch $1/saved; exit" TERM; touch $1/ready; while :; do sleep 0.01; done')
    wait_for((path / "ready").exists)
    guard.directory.decide(End.now("cancelled"))
    assert guard.end().state == "cancelled"
    assert (path / "saved").exists()


def test_a_cancelled_training_that_does_not_listen_is_killed(path: Path) -> None:
    guard = Guarded(path)
    guard.begin('trap "" TERM; touch $1/ready; while :; do sleep 1; done', grace_s=0.0)
    wait_for((path / "ready").exists)
    guard.directory.decide(End.now("cancelled"))
    assert guard.end().state == "cancelled"


def test_a_guard_that_is_stopped_interrupts_its_training(path: Path) -> None:
    guard = Guarded(path)
    guard.begin("touch $1/ready; exec sleep 600")
    wait_for((path / "ready").exists)
    guard.process.send_signal(signal.SIGINT)
    guard.process.send_signal(signal.SIGHUP)
    guard.process.terminate()
    assert guard.end().state == "interrupted"


def test_a_training_whose_directory_is_removed_is_ended(path: Path) -> None:
    guard = Guarded(path)
    guard.begin("echo $$ > $1/ready.tmp; mv $1/ready.tmp $1/ready; exec sleep 600")
    wait_for((path / "ready").exists)
    pid = int((path / "ready").read_text())
    subprocess.run(["rm", "-r", str(path)], check=True)
    guard.process.wait(60)
    assert is_gone(pid)


def test_nothing_is_left_of_a_training(path: Path) -> None:
    """Nor of what left its group, its session and its parent."""
    guard = Guarded(path)
    guard.begin('setsid sleep 600 & echo $! > "$1/pid"')
    guard.end()
    assert is_gone(int((path / "pid").read_text()))
    lock = guard.directory.lock()
    assert lock is not None
    os.close(lock)


def test_what_a_training_prints_is_its_log(path: Path) -> None:
    (path / "log").write_text("before\n")
    guard = Guarded(path)
    guard.begin(f"cat; echo ${MARKER} $GIVEN; echo wrong >&2")
    guard.end()
    assert (path / "log").read_text() == "before\njob yes\nwrong\n"
    assert guard.directory.has_begun(1)
