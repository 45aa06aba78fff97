# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Judge a job by its directory: alive, ended, abandoned, or to be tried again.

Blocking functions; the job runner calls them in threads.
"""

import os
from datetime import datetime
from typing import NamedTuple

from deepaas.execution.attempts import Cause, conclude, delay, next_start, reason
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.jobwords import noun_of
from deepaas.execution.processes import kill_all
from deepaas.records import Job, JobEnd, JobState, Training

_REMOVED = "The job's directory was removed."
_LOST = "The process that supervised the {} was killed."
_NEVER_BEGUN = (
    "It ended before it began: its server or the process that supervises it was gone, or its"
    " directory cannot be written."
)


class Again(NamedTuple):
    """The job is to be queued for another attempt."""

    #: When that may start, ``None`` for at once.
    not_before: datetime | None
    #: Why, for people.
    message: str


def settle(directory: JobDirectory, job: Job) -> JobEnd | Again | None:
    """Return what is to become of a claimed job, deciding it now if its guard died.

    A success that the training had noted is its end even if the guard died before it could say so.
    What the training had started is killed before this returns. May be repeated.

    Returns:
        How it ended; or that it is to be tried again; or ``None`` while it lives.
    """
    try:
        lock = directory.lock()
    except (FileNotFoundError, NotADirectoryError):
        kill_all(directory.path.name)
        return to_record(End.now("error", _REMOVED))
    if lock is None:
        return None
    try:
        return _judge(directory, job)
    finally:
        os.close(lock)


def _judge(directory: JobDirectory, job: Job) -> JobEnd | Again:
    if not directory.is_decided() and not directory.has_begun(job.attempt):
        return _again(directory, job, Again(_next_begin(directory, job), _NEVER_BEGUN))
    # Also when the end stands: the guard may have been killed after it, before this.
    kill_all(directory.path.name)
    training = Training(job.resumable, job.retries)
    outcome = directory.outcome()
    if outcome is None:
        lost = End.now("interrupted", _LOST.format(noun_of(job.kind)))
        conclude(directory, job.attempt, training, lost, Cause.LOST)
    else:
        cause = None if outcome.state == JobState.DONE else Cause.FAILED
        conclude(directory, job.attempt, training, outcome, cause)
    if not directory.is_decided():
        history = directory.attempts_ended()
        message = reason(history[-1], job.attempt)
        return _again(directory, job, Again(next_start(training, history), message))
    end = decided_end(directory, job.attempt)
    assert end is not None
    return end


def decided_end(directory: JobDirectory, attempt: int) -> JobEnd | None:
    """Return the end that stands, told in the events; ``None`` while the job is undecided."""
    try:
        end = directory.end()
    except (TypeError, ValueError) as exc:
        end = End.now("error", f"The job's end.json is damaged: {exc}")
    if end is None:
        return None
    note_end(directory, attempt, end)
    return to_record(end)


def _next_begin(directory: JobDirectory, job: Job) -> datetime | None:
    """Return when to start again what never began: at once, then later each time.

    A full disk takes a while. It is the same time whenever this is asked.
    """
    times = 1
    while times < job.attempt and not directory.has_begun(job.attempt - times):
        times += 1
    if times == 1 or job.started is None:
        return None
    return job.started + delay(times - 1)


def _again(directory: JobDirectory, job: Job, again: Again) -> Again:
    directory.note_state(JobState.QUEUED, job.attempt + 1, again.message)
    return again


def note_end(directory: JobDirectory, attempt: int, end: End) -> None:
    """Tell in the events how the job ended, unless they say so already."""
    directory.note_state(end.state, attempt, end.message, time=end.finished)


def to_record(end: End) -> JobEnd:
    """Return the content of ``end.json`` as the record that the store takes."""
    return JobEnd(
        JobState(end.state), datetime.fromisoformat(end.finished), end.message, end.result
    )
