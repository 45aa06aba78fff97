# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What follows an attempt follows from what the model asked for and from what happened."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepaas.execution.attempts import (
    MAX_FRUITLESS,
    MAX_INTERRUPTIONS,
    Cause,
    conclude,
    is_followed,
    next_start,
    reason,
)
from deepaas.execution.jobdir import AttemptEnd, End, JobDirectory
from deepaas.records import Training

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RESUMABLE = Training(resumable=True)
BOOM = End("error", NOON.isoformat(), "boom")


def over(cause: Cause, *, fruitful: bool = False) -> AttemptEnd:
    state = "interrupted" if cause in (Cause.LOST, Cause.STOPPED) else "error"
    return AttemptEnd(state, NOON.isoformat(), "boom", cause, fruitful)


FAILED, KILLED, LOST, STOPPED = map(over, Cause)
GOT_ON = over(Cause.LOST, fruitful=True)


@pytest.mark.parametrize(
    ("training", "history", "is_to_follow"),
    [
        (Training(), [FAILED], False),
        (Training(retries=1), [FAILED], True),
        (Training(retries=1), [FAILED, FAILED], False),
        # What can start anew may also do so when it was killed; what can go on goes on.
        (Training(retries=1), [KILLED], True),
        (Training(retries=1), [KILLED, FAILED], False),
        (Training(retries=9), [LOST], False),
        (Training(retries=9), [STOPPED], False),
        (RESUMABLE, [FAILED], False),
        (RESUMABLE, [KILLED], True),
        (RESUMABLE, [LOST], True),
        (RESUMABLE, [STOPPED], True),
        (Training(resumable=True, retries=1), [KILLED, FAILED], True),
        (RESUMABLE, [LOST] * (MAX_FRUITLESS - 1), True),
        (RESUMABLE, [LOST] * MAX_FRUITLESS, False),
        (RESUMABLE, [LOST, KILLED, STOPPED, LOST], False),
        (RESUMABLE, [STOPPED] * 1000, True),
        (RESUMABLE, [LOST, LOST, GOT_ON, LOST, LOST], True),
        (RESUMABLE, [GOT_ON] * (MAX_INTERRUPTIONS - 1), True),
        (RESUMABLE, [GOT_ON] * MAX_INTERRUPTIONS, False),
        (Training(resumable=True, retries=1), [LOST, LOST, FAILED, LOST, LOST], True),
    ],
)
def test_whether_another_attempt_follows(
    training: Training, history: list[AttemptEnd], is_to_follow: bool
) -> None:
    assert is_followed(training, history) is is_to_follow


@pytest.mark.parametrize(
    ("training", "history", "pause_s"),
    [
        (Training(retries=9), [FAILED], 1),
        (Training(retries=9), [FAILED] * 4, 8),
        (Training(retries=99), [FAILED] * 50, 300),
        (RESUMABLE, [STOPPED], None),
        (RESUMABLE, [LOST, LOST], 2),
        (RESUMABLE, [LOST, LOST, GOT_ON], 1),
        (Training(resumable=True, retries=9), [LOST, LOST, FAILED], 1),
    ],
)
def test_how_long_it_waits(
    training: Training, history: list[AttemptEnd], pause_s: float | None
) -> None:
    at = None if pause_s is None else NOON + timedelta(seconds=pause_s)
    assert next_start(training, history) == at


def test_why_another_attempt_follows_is_said() -> None:
    assert reason(FAILED, 1) == "Attempt 1 failed: boom"
    assert reason(LOST, 2) == "Attempt 2 was interrupted: boom"
    assert reason(LOST._replace(message=None), 3).endswith("for no known reason")


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Return the directory of a job whose first attempt has begun."""
    directory = JobDirectory(tmp_path / "1")
    directory.create(b"")
    directory.begin(1)
    return directory


def end_of(directory: JobDirectory) -> End:
    end = directory.end()
    assert end is not None
    return end


def test_a_success_is_the_end(directory: JobDirectory) -> None:
    conclude(directory, 1, Training(True, 9), End.now("done", result="1"), None)
    assert end_of(directory).result == "1"
    conclude(directory, 1, Training(True, 9), BOOM, Cause.FAILED)
    assert not directory.has_ended(1)


def test_the_first_word_on_an_attempt_stands(directory: JobDirectory) -> None:
    (directory.checkpoints / "a").touch()
    conclude(directory, 1, Training(retries=1), BOOM, Cause.FAILED)
    conclude(directory, 1, Training(), End.now("interrupted"), Cause.LOST)
    assert not directory.is_decided()
    assert directory.attempts_ended() == [over(Cause.FAILED, fruitful=True)]


@pytest.mark.parametrize(("later_s", "is_success"), [(-1, True), (1, False)])
def test_a_success_counts_although_it_was_to_stop_if_it_came_before(
    directory: JobDirectory, later_s: int, is_success: bool
) -> None:
    """What returns after it was told to stop may have returned for that reason."""
    stop = End("interrupted", NOON.isoformat(), "The server was stopped.")
    conclude(directory, 1, RESUMABLE, stop, Cause.STOPPED)
    done = End("done", (NOON + timedelta(seconds=later_s)).isoformat())
    conclude(directory, 1, RESUMABLE, done, None)
    assert directory.is_decided() is is_success


@pytest.mark.parametrize("training", [Training(), RESUMABLE])
def test_what_has_ended_is_not_stopped(directory: JobDirectory, training: Training) -> None:
    directory.write_outcome(End.now("done"))
    conclude(directory, 1, training, End.now("interrupted"), Cause.STOPPED)
    assert not directory.is_decided()
    assert not directory.has_ended(1)


@pytest.mark.parametrize(
    ("training", "cause", "before", "message"),
    [
        (Training(), Cause.FAILED, [], "boom"),
        (Training(), Cause.LOST, [], "boom"),
        (Training(retries=1), Cause.FAILED, [FAILED], "boom It was tried 2 times."),
        (
            RESUMABLE,
            Cause.LOST,
            [LOST, LOST],
            "boom It is not resumed: 3 attempts in a row left no new checkpoint.",
        ),
        (
            RESUMABLE,
            Cause.KILLED,
            [GOT_ON] * 99,
            "boom It is not resumed: it was interrupted 100 times.",
        ),
    ],
)
def test_the_last_attempt_says_why_it_is_the_last(
    directory: JobDirectory,
    training: Training,
    cause: Cause,
    before: list[AttemptEnd],
    message: str,
) -> None:
    for number, ended in enumerate(before, 1):
        directory.end_attempt(number, ended)
        directory.begin(number + 1)
    conclude(directory, len(before) + 1, training, BOOM, cause)
    assert end_of(directory) == BOOM._replace(message=message)
    assert directory.attempts_ended() == before
