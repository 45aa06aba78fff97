# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Judge a job by its directory: alive, ended, or abandoned.

Blocking functions; the job runner calls them in threads.
"""

import os
from datetime import datetime

from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.processes import kill_all
from deepaas.records import JobEnd, JobState


class NeverBegun(Exception):
    """The job was claimed, and its server died before the guard was told to begin."""


def settle(directory: JobDirectory, attempt: int) -> JobEnd | None:
    """Return how a claimed job ended, deciding it now if its guard died; ``None`` while it lives.

    A success that the training had noted is its end even if the guard died before it could say so.
    What the training had started is killed before this returns.

    Raises:
        NeverBegun: Nobody ever ran it; it can be queued again.
    """
    try:
        lock = directory.lock()
    except (FileNotFoundError, NotADirectoryError):
        kill_all(directory.path.name)
        return to_record(End.now("error", "The job's directory was removed."))
    if lock is None:
        return None
    try:
        if not directory.is_decided() and not directory.has_begun(attempt):
            raise NeverBegun
        # Also when the end stands: the guard may have been killed after it, before this.
        kill_all(directory.path.name)
        if not directory.is_decided():
            directory.decide(
                directory.outcome()
                or End.now("interrupted", "The process that supervised the training was killed.")
            )
        try:
            decided = directory.end()
        except (TypeError, ValueError) as exc:
            decided = End.now("error", f"The job's end.json is damaged: {exc}")
        assert decided is not None
        return to_record(decided)
    finally:
        os.close(lock)


def to_record(end: End) -> JobEnd:
    """Return the content of ``end.json`` as the record that the store takes."""
    return JobEnd(
        JobState(end.state), datetime.fromisoformat(end.finished), end.message, end.result
    )
