# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a killed server had submitted by half is told from what it had submitted."""

import os
from pathlib import Path

import pytest

from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.submission import abandoned, forget, write, write_call
from deepaas.records import CallInput, ModelSource, SourceKind
from deepaas.testing import make_job

JOB = make_job(1).id
CALL = JobCall(ModelSource("cat", SourceKind.OBJECT, "cat:cat"), CallInput(), warm=True)


def submit(folder: Path) -> JobDirectory:
    """Write the job's directory for the server ``a``."""
    directory = JobDirectory(folder / JOB)
    write(directory, lambda new: write_call(new, CALL, None), server="a", attempt=1)
    return directory


def test_a_mark_names_the_server_until_the_job_is_known(tmp_path: Path) -> None:
    submit(tmp_path)
    assert abandoned(tmp_path, lambda server: server == "a") == []
    assert abandoned(tmp_path, lambda server: server == "b") == [("a", JOB)]
    forget(tmp_path, "a", JOB, is_known=True)
    assert os.listdir(tmp_path) == [JOB]
    forget(tmp_path, "a", JOB, is_known=True)


def test_a_job_that_the_store_does_not_know_is_removed(tmp_path: Path) -> None:
    submit(tmp_path)
    forget(tmp_path, "a", JOB, is_known=False)
    assert os.listdir(tmp_path) == []


def test_a_mark_may_be_all_that_there_is(tmp_path: Path) -> None:
    (tmp_path / JOB).touch()
    with pytest.raises(FileExistsError):
        submit(tmp_path)
    (tmp_path / JOB).unlink()
    assert abandoned(tmp_path, lambda server: False) == [("a", JOB)]
    forget(tmp_path, "a", JOB, is_known=False)
    assert os.listdir(tmp_path) == []


def test_the_events_begin_with_the_queue(tmp_path: Path) -> None:
    directory = submit(tmp_path)
    assert '"state": "queued", "attempt": 1' in directory.events.read_text()
