# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is judged by its directory, once."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.processes import MARKER
from deepaas.execution.recovery import NeverBegun, settle, to_record
from deepaas.records import JobEnd, JobState
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import open_fds

END = End("done", "2026-11-22T12:00:00.000001+00:00", None, '{"a": 1}')
RECORD = JobEnd(JobState.DONE, datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC), None, '{"a": 1}')


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
    end = settle(directory, 1)
    assert end is not None
    assert end.state is JobState.ERROR
    assert end.message == "The job's directory was removed."


def test_a_job_that_nobody_ever_ran(directory: JobDirectory) -> None:
    with pytest.raises(NeverBegun):
        settle(directory, 1)
    assert directory.end() is None
    # The first attempt's files say nothing of the second.
    directory.begin(1)
    with pytest.raises(NeverBegun):
        settle(directory, 2)


@pytest.mark.parametrize("decided", [True, False])
def test_a_job_that_lives(directory: JobDirectory, decided: bool) -> None:
    """Also after its end was decided: its processes are still there."""
    directory.begin(1)
    if decided:
        directory.decide(END)
    with holder(directory) as process:
        assert first_line(process) == "True"
        assert settle(directory, 1) is None
    assert directory.is_decided() is decided


def test_a_decided_job(directory: JobDirectory) -> None:
    """Cancelled before it began, too."""
    directory.decide(END)
    assert settle(directory, 1) == RECORD
    assert settle(directory, 1) == RECORD


def test_a_damaged_end_is_an_error_that_says_so(directory: JobDirectory) -> None:
    directory.begin(1)
    (directory.path / "end.json").write_text("{")
    end = settle(directory, 1)
    assert end is not None
    assert end.state is JobState.ERROR
    assert "end.json is damaged" in (end.message or "")


def test_an_outcome_counts_although_the_guard_could_not_say_so(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.write_outcome(END)
    assert settle(directory, 1) == RECORD
    assert directory.end() == END


def test_an_end_beats_an_outcome(directory: JobDirectory) -> None:
    directory.begin(1)
    directory.write_outcome(END)
    directory.decide(End.now("cancelled"))
    end = settle(directory, 1)
    assert end is not None
    assert end.state is JobState.CANCELLED


def test_an_abandoned_job_is_interrupted_and_what_it_started_is_killed(
    directory: JobDirectory,
) -> None:
    directory.begin(1)
    left = subprocess.Popen(
        ["sleep", "600"], env={MARKER: directory.path.name}, start_new_session=True
    )
    end = settle(directory, 1)
    assert end is not None
    assert end.state is JobState.INTERRUPTED
    assert "killed" in (end.message or "")
    assert left.poll() is not None
    assert settle(directory, 1) == end


def test_the_lock_is_free_again(directory: JobDirectory) -> None:
    directory.decide(END)
    settle(directory, 1)
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
    settle(directory, 1)
    names = {"alive", "artifacts", "begun-1", "call.json", "checkpoints", "end.json", "inputs"}
    assert set(os.listdir(directory.path)) == names
