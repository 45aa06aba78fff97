# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job's directory is removed whole, and a crash in between leaves nothing for good."""

import os
import shutil
from pathlib import Path

import pytest

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.removal import SetAside, sweep_removed


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    made = JobDirectory(tmp_path / "jobs" / "job")
    made.create(b"{}")
    return made


def test_it_is_out_of_sight_and_then_gone(directory: JobDirectory) -> None:
    aside = SetAside(directory)
    assert not directory.path.exists()
    aside.remove()
    assert os.listdir(directory.path.parent) == []
    aside.remove()


def test_it_can_be_put_back(directory: JobDirectory) -> None:
    SetAside(directory).put_back()
    assert directory.call.read_bytes() == b"{}"


def test_what_is_gone_already_is_no_error(directory: JobDirectory) -> None:
    shutil.rmtree(directory.path)
    aside = SetAside(directory)
    aside.put_back()
    aside.remove()
    assert not directory.path.exists()


def test_what_a_crash_left_goes_at_the_next_start(directory: JobDirectory) -> None:
    other = JobDirectory(directory.path.with_name("other"))
    other.create(b"")
    SetAside(directory)
    sweep_removed(directory.path.parent)
    assert os.listdir(directory.path.parent) == ["other"]


def test_what_cannot_be_removed_is_told_and_holds_up_nothing(
    directory: JobDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    (directory.path.parent / "x.removed").touch()
    sweep_removed(directory.path.parent)
    assert "x.removed cannot be removed" in caplog.text
