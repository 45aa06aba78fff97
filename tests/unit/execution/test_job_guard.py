# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of a training writes one end, whoever ends what, and leaves no process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.attempts import Cause
from deepaas.execution.job_guard import describe_exit
from deepaas.execution.jobdir import AttemptEnd, End, JobDirectory
from deepaas.execution.local import python
from deepaas.execution.messages import Begin, Busy, Channel, Locked
from deepaas.execution.out_of_memory import KillCounts
from deepaas.execution.processes import MARKER
from deepaas.records import Training
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import is_gone, wait_for

OUTCOME = f"""{sys.executable} -c "
import sys
from pathlib import Path
from deepaas.execution.jobdir import End, JobDirectory
JobDirectory(Path(sys.argv[1])).write_outcome(End.now('done', result='1'))
" """
NO_MORE = Training()
#: The guard, impatient with a training that does not leave after its outcome.
IMPATIENT = "from deepaas.execution import job_guard as g; g._LEAVE_S = 0.0; g.main()"


@contextmanager
def group_with(max_bytes: int) -> Iterator[Path]:
    """Make a control group whose memory is limited, where this process may."""
    name = f"deepaas-test-{os.getpid()}"
    places = [
        (Path("/sys/fs/cgroup/memory"), ":memory:", "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "0::", "memory.max"),
    ]
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    for root, kind, limit in places:
        for path in (line.partition(kind)[2] for line in groups if kind in line):
            group = root / path.lstrip("/") / name
            try:
                group.mkdir()
            except OSError:
                continue
            try:
                (group / limit).write_text(str(max_bytes))
            except OSError:
                group.rmdir()
                continue
            yield group
            group.rmdir()
            return
    pytest.skip("no control group can be made here")


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

    def begin(
        self,
        shell: str,
        *,
        attempt: int = 1,
        grace_s: float = 60.0,
        training: Training = NO_MORE,
        max_log_bytes: int = 0,
    ) -> None:
        """Let it run a shell that finds the directory's path in ``$1``."""
        assert self.hear() == Locked()
        argv = ["/bin/sh", "-c", shell, "sh", str(self.directory.path)]
        given = {"GIVEN": "yes"}
        self.channel.send(Begin(argv, given, attempt, grace_s, training, max_log_bytes))
        self.channel.close()

    def end(self) -> End:
        """Wait until it has ended, and return the job's end."""
        assert self.process.wait(60) == 0
        end = self.directory.end()
        assert end is not None
        return end

    def attempt_end(self, attempt: int = 1) -> AttemptEnd:
        """Wait until it has ended, and return the end of an attempt that another is to follow."""
        assert self.process.wait(60) == 0
        assert not self.directory.is_decided()
        end = self.directory.attempt_end(attempt)
        assert end is not None
        return end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a new job's directory."""
    directory = JobDirectory(tmp_path / "job")
    directory.create(b"")
    return directory.path


@pytest.mark.parametrize(
    ("status", "words", "state", "cause"),
    [
        (0, "exited with status 0 before train() returned", "error", Cause.FAILED),
        (3, "exited with status 3", "error", Cause.FAILED),
        (-9, "killed by SIGKILL: the kernel does this when memory", "error", Cause.KILLED),
        (-11, "killed by SIGSEGV.", "error", Cause.FAILED),
        (-63, "killed by 63.", "error", Cause.FAILED),
        (143, "told to end by SIGTERM, not by this service", "interrupted", Cause.LOST),
        (-15, "told to end by SIGTERM, not by this service", "interrupted", Cause.LOST),
    ],
)
def test_an_end_without_a_word_is_put_into_words(
    status: int, words: str, state: str, cause: Cause
) -> None:
    end, found = describe_exit(status, KillCounts(None, None), "train")
    assert words in (end.message or "")
    assert (end.state, found) == (state, cause)


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
    guard.channel.send(Begin(["/nowhere"], {}, 1, 1.0, NO_MORE))
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


def test_a_stopped_training_that_can_go_on_is_not_decided(path: Path) -> None:
    guard = Guarded(path)
    script = (
        'trap "echo 1 > $1/checkpoints/a; exit" TERM; touch $1/ready; while :; do sleep 0.01; done'
    )
    guard.begin(script, training=Training(resumable=True))
    wait_for((path / "ready").exists)
    guard.process.terminate()
    end = guard.attempt_end()
    assert (end.state, end.cause, end.message) == (
        "interrupted",
        "stopped",
        "The training was stopped.",
    )
    # That it saved came after this was noted.
    assert not end.has_new_checkpoint
    assert (path / "checkpoints" / "a").exists()


def test_an_attempt_that_somebody_ended_is_stopped(path: Path) -> None:
    """By the server, for which another attempt is to follow."""
    guard = Guarded(path)
    guard.begin("touch $1/ready; exec sleep 600", training=Training(resumable=True))
    wait_for((path / "ready").exists)
    ended = AttemptEnd("interrupted", End.now("").finished, "stop", Cause.STOPPED, False)
    guard.directory.end_attempt(1, ended)
    assert guard.attempt_end() == ended


def test_what_returns_when_it_is_told_to_stop_is_no_success(path: Path) -> None:
    guard = Guarded(path)
    script = f"trap '{OUTCOME} \"$1\"; exit' TERM; touch $1/ready; while :; do sleep 0.01; done"
    guard.begin(script.replace("'done'", '"done"').replace("'1'", '"1"'))
    wait_for((path / "ready").exists)
    guard.process.terminate()
    assert guard.end().state == "interrupted"


@pytest.mark.parametrize("how", ["exit 3", "kill -KILL $$"])
def test_a_failure_is_not_decided_while_there_are_retries(path: Path, how: str) -> None:
    guard = Guarded(path)
    guard.begin(how, training=Training(retries=1))
    first = guard.attempt_end()
    assert first.state == "error"
    again = Guarded(path)
    again.begin(how, attempt=2, training=Training(retries=1))
    assert (again.end().message or "").endswith(" It was tried 2 times.")
    events = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    assert [(event["state"], event["attempt"]) for event in events] == [
        ("running", 1),
        ("running", 2),
    ]


def test_a_killed_training_that_can_go_on_is_interrupted(path: Path) -> None:
    guard = Guarded(path)
    guard.begin("touch $1/checkpoints/a; kill -KILL $$", training=Training(resumable=True))
    end = guard.attempt_end()
    assert (end.cause, end.has_new_checkpoint) == ("killed", True)


def test_all_that_a_cancelled_training_started_is_told_and_gets_the_grace(path: Path) -> None:
    """First the training itself, which ends; then what it left in another session."""
    guard = Guarded(path)
    helper = (
        'trap "sleep 0.2; touch $1/told; exit" TERM; touch $1/ready; while :; do sleep 0.01; done'
    )
    (path / "helper.sh").write_text(helper)
    guard.begin(
        "setsid sh $1/helper.sh $1 & while ! [ -e $1/ready ]; do sleep 0.01; done; sleep 600"
    )
    wait_for((path / "ready").exists)
    guard.directory.decide(End.now("cancelled"))
    assert guard.end().state == "cancelled"
    assert (path / "told").exists()


def test_what_a_stubborn_training_started_is_told_before_the_grace_is_over(path: Path) -> None:
    guard = Guarded(path)
    helper = 'trap "touch $1/told; exit" TERM; touch $1/ready; while :; do sleep 0.01; done'
    (path / "helper.sh").write_text(helper)
    guard.begin('setsid sh $1/helper.sh $1 & trap "" TERM; while :; do sleep 1; done', grace_s=2.0)
    wait_for((path / "ready").exists)
    guard.directory.decide(End.now("cancelled"))
    wait_for((path / "told").exists)
    assert guard.directory.lock() is None  # it is given the rest of its grace
    assert guard.end().state == "cancelled"


def test_what_is_left_of_a_cancelled_training_and_does_not_listen_is_killed(path: Path) -> None:
    guard = Guarded(path)
    helper = "trap '' TERM; echo $$ > $1/pid.tmp; mv $1/pid.tmp $1/pid; while :; do sleep 1; done"
    (path / "helper.sh").write_text(helper)
    guard.begin("setsid sh $1/helper.sh $1 & exec sleep 600", grace_s=0.2)
    wait_for((path / "pid").exists)
    guard.directory.decide(End.now("cancelled"))
    assert guard.end().state == "cancelled"
    assert is_gone(int((path / "pid").read_text()))


def test_the_kernel_that_ends_a_training_is_asked_why(path: Path) -> None:
    """With a limit of memory, and a kernel, that are real."""
    hog = f"exec {sys.executable} -c 'bytearray(300_000_000)'"
    with group_with(100_000_000) as group:
        enter = ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]
        guard = Guarded(path, [*enter, *python("deepaas.execution.job_guard", str(path))])
        guard.begin(hog)
        end = guard.end()
        assert "killed by SIGKILL: it ran out of memory, more than" in (end.message or "")
        # One that the training survives is told with its failure.
        again = JobDirectory(path.parent / "again")
        again.create(b"")
        guard = Guarded(
            again.path, [*enter, *python("deepaas.execution.job_guard", str(again.path))]
        )
        failing = OUTCOME.replace("'done', result='1'", "'error', 'a loader is gone'")
        guard.begin(f'({hog}); {failing} "$1"')
        assert guard.end().message == (
            "a loader is gone (Meanwhile the kernel killed a process here for lack of memory.)"
        )


def test_a_log_is_kept_under_its_cap(path: Path) -> None:
    guard = Guarded(path)
    guard.begin(
        "echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last",
        max_log_bytes=1_000_000,
    )
    guard.end()
    log = path / "log"
    assert log.stat().st_size == 20_000_000 + len("first\n\nlast\n")
    assert log.stat().st_blocks * 512 < 1_200_000
    text = log.read_bytes()
    assert text.startswith(b"first\n")
    assert b" bytes were left out here: " in text
    assert text.endswith(b"\nlast\n")


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


LOOK_AND_LEAVE = """
ls $1/artifacts $1/checkpoints > $1/seen
mkdir $1/artifacts/deep; touch $1/artifacts/deep/a $1/checkpoints/a; ln -s .. $1/artifacts/up
exit 1
"""


@pytest.mark.parametrize("resumable", [True, False])
def test_an_attempt_finds_what_those_before_it_made_only_if_it_can_go_on(
    path: Path, resumable: bool
) -> None:
    training = Training(resumable=resumable, retries=3)
    seen = []
    for attempt in (1, 2):
        guarded = Guarded(path)
        guarded.begin(LOOK_AND_LEAVE, attempt=attempt, training=training)
        guarded.attempt_end(attempt)
        seen.append((path / "seen").read_text())
    assert (seen[0] == seen[1]) != resumable
    assert (path / "call.json").exists()


def test_a_first_attempt_keeps_what_it_was_given(path: Path) -> None:
    (path / "checkpoints" / "given").touch()
    guarded = Guarded(path)
    guarded.begin("true")
    guarded.end()
    assert (path / "checkpoints" / "given").exists()


def test_an_evaluation_is_called_one() -> None:
    end, _ = describe_exit(1, KillCounts(None, None), "evaluate")
    assert end.message == (
        "The evaluation's process exited with status 1 before evaluate() returned."
    )
