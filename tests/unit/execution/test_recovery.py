# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is judged by its directory, once."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.jobdir import AttemptEnd, End, JobDirectory
from deepaas.execution.processes import MARKER
from deepaas.execution.recovery import Again, settle, to_record
from deepaas.records import JobEnd, JobState
from deepaas.testing import make_job
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import open_fds

END = End("done", "2026-11-22T12:00:00.000001+00:00", None, '{"a": 1}')
RECORD = JobEnd(JobState.DONE, datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC), None, '{"a": 1}')


def settled(directory: JobDirectory, **job: Any) -> JobEnd | Again | None:
    """Settle a running job, twice: the second time says the same, and changes nothing."""
    running = make_job(state=JobState.RUNNING, **job)
    found = settle(directory, running)
    events = directory.events.read_bytes() if directory.events.exists() else b""
    assert settle(directory, running) == found
    assert not events or directory.events.read_bytes() == events
    return found


def states(directory: JobDirectory) -> list[tuple[str, int, str | None]]:
    """Return the states that the events tell of."""
    events = [json.loads(line) for line in directory.events.read_text().splitlines()]
    return [(event["state"], event["attempt"], event["message"]) for event in events]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[JobDirectory]:
    """Lend a claimed job's directory; no descriptor is left of what the test does."""
    directory = JobDirectory(tmp_path / "0123456789abcdef")
    directory.create(b"")
    before = open_fds()
    yield directory
    assert open_fds() == before


def test_a_directory_that_was_removed(directory: JobDirectory) -> None:
    shutil.rmtree(directory.path)
    end = settle(directory, make_job(state=JobState.RUNNING))
    assert isinstance(end, JobEnd)
    assert end.state is JobState.ERROR
    assert end.message == "The job's directory was removed."


def test_a_job_that_nobody_ever_ran(directory: JobDirectory) -> None:
    again = settled(directory)
    assert isinstance(again, Again)
    assert again.not_before is None
    assert "before it began" in again.message
    assert directory.end() is None
    # The first attempt's files say nothing of the second.
    directory.begin(1)
    assert settled(directory, attempt=2) == again
    assert states(directory) == [("queued", 2, again.message), ("queued", 3, again.message)]


@pytest.mark.parametrize("decided", [True, False])
def test_a_job_that_lives(directory: JobDirectory, decided: bool) -> None:
    """Also after its end was decided: its processes are still there."""
    directory.begin(1)
    if decided:
        directory.decide(END)
    with holder(directory) as process:
        assert first_line(process) == "True"
        assert settled(directory) is None
    assert directory.is_decided() is decided


def test_a_decided_job(directory: JobDirectory) -> None:
    """Cancelled before it began, too."""
    directory.decide(END)
    assert settled(directory) == RECORD
    (line,) = directory.events.read_text().splitlines()
    event = json.loads(line)
    assert event == {
        "time": END.finished,
        "event": "state",
        "state": "done",
        "attempt": 1,
        "message": None,
    }


def test_a_damaged_end_is_an_error_that_says_so(directory: JobDirectory) -> None:
    directory.begin(1)
    (directory.path / "end.json").write_text("{")
    end = settle(directory, make_job(state=JobState.RUNNING))
    assert isinstance(end, JobEnd)
    assert end.state is JobState.ERROR
    assert "end.json is damaged" in (end.message or "")


def test_an_outcome_counts_although_the_guard_could_not_say_so(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.write_outcome(END)
    assert settled(directory) == RECORD
    assert directory.end() == END


def test_an_end_beats_an_outcome(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.write_outcome(END)
    directory.decide(End.now("cancelled"))
    end = settled(directory)
    assert isinstance(end, JobEnd)
    assert end.state is JobState.CANCELLED


def test_an_abandoned_job_is_interrupted_and_what_it_started_is_killed(
    directory: JobDirectory,
) -> None:
    directory.begin(1)
    left = subprocess.Popen(
        ["sleep", "600"], env={MARKER: directory.path.name}, start_new_session=True
    )
    end = settled(directory)
    assert isinstance(end, JobEnd)
    assert end.state is JobState.INTERRUPTED
    assert "killed" in (end.message or "")
    assert left.poll() is not None


def test_an_abandoned_job_that_can_go_on_is_queued_again(directory: JobDirectory) -> None:
    directory.begin(1)
    again = settled(directory, resumable=True)
    assert isinstance(again, Again)
    assert again.not_before is not None
    assert again.message.startswith("Attempt 1 was interrupted: The process that supervised")
    assert states(directory) == [("queued", 2, again.message)]
    assert not directory.is_decided()
    assert directory.has_ended(1)


def test_a_failure_that_nobody_told_is_tried_again(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.write_outcome(End.now("error", "boom"))
    again = settled(directory, retries=1)
    assert isinstance(again, Again)
    assert again.message == "Attempt 1 failed: boom"
    directory.begin(2)
    assert directory.outcome() is None
    directory.write_outcome(End.now("error", "boom again"))
    end = settled(directory, retries=1, attempt=2)
    assert isinstance(end, JobEnd)
    assert (end.state, end.message) == (JobState.ERROR, "boom again It was tried 2 times.")


def test_a_cancel_beats_an_attempt_that_another_was_to_follow(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.end_attempt(1, AttemptEnd("error", END.finished, "boom", "failed", False))
    directory.decide(End.now("cancelled"))
    end = settled(directory, retries=1)
    assert isinstance(end, JobEnd)
    assert end.state is JobState.CANCELLED


def test_the_lock_is_free_again(directory: JobDirectory) -> None:
    directory.decide(END)
    settled(directory)
    with holder(directory) as process:
        assert first_line(process) == "True"


@pytest.mark.parametrize("state", ["done", "error", "cancelled", "interrupted"])
def test_an_end_becomes_a_record(state: str) -> None:
    end = to_record(End(state, END.finished, "why"))
    assert end == JobEnd(JobState(state), RECORD.finished, "why")


def test_an_end_of_no_known_state() -> None:
    with pytest.raises(ValueError, match="lost"):
        to_record(End("lost", END.finished))


def test_settling_leaves_nothing_behind(directory: JobDirectory) -> None:
    directory.begin(1)
    settled(directory)
    names = {"alive", "artifacts", "begun-1", "call.json", "checkpoints", "end.json", "inputs"}
    assert set(os.listdir(directory.path)) == names | {"events.jsonl"}


def test_what_never_begins_is_tried_later_each_time(directory: JobDirectory) -> None:
    """Its directory cannot be written, perhaps: another attempt at once would be of no use."""
    now = datetime.now(UTC)
    waits: list[float] = []
    for attempt in (1, 2, 3, 4, 12, 5000):
        again = settled(directory, attempt=attempt, started=now)
        assert isinstance(again, Again)
        waits.append((again.not_before - now).total_seconds() if again.not_before else 0)
    assert waits == [0, 1, 2, 4, 300, 300]
    directory.begin(4)
    after = settled(directory, attempt=5, started=now)
    assert isinstance(after, Again)
    assert after.not_before is None
    assert "cannot be written" in after.message
