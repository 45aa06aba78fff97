# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Temporary files have a place, in memory if need be."""

import errno
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.execution.scratch import make_scratch, temporary_folder


def nowhere() -> str:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


def test_the_folder_of_the_system_is_taken_if_there_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert temporary_folder(lambda: "/given", tmp_path) == Path("/given")
    assert caplog.text == ""


def test_without_one_the_shared_memory_is_taken_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert temporary_folder(nowhere, tmp_path) == tmp_path
    for told in ("found in ['/tmp']", str(tmp_path), "TMPDIR"):
        assert told in caplog.text


def test_without_that_either_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TMPDIR") as caught:
        temporary_folder(nowhere, tmp_path / "none")
    assert "found in ['/tmp']" in caught.value.message
    assert str(tmp_path / "none") in caught.value.message


def test_a_folder_of_ours_is_private(tmp_path: Path) -> None:
    folder = make_scratch(tmp_path, prefix="deepaas-state-")
    assert folder.parent == tmp_path
    assert folder.name.startswith("deepaas-state-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_scratch(tmp_path) != folder
