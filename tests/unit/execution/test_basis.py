# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job keeps the version with which its first attempt began, or that it was told of."""

from pathlib import Path

import pytest

from deepaas.errors import Conflict
from deepaas.execution.basis import basis_of, note_basis, require_whole, version_in
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import seal
from deepaas.records import PACKAGE_VERSION, ServedVersion


def test_the_first_note_stands(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "jobs" / "b")
    directory.create(b"{}")
    assert basis_of(directory) == PACKAGE_VERSION
    served = version_in(tmp_path / "jobs", 3, "a")
    assert served == ServedVersion(3, "a", str(tmp_path / "jobs" / "a" / "artifacts"))
    note_basis(directory, served)
    note_basis(directory, PACKAGE_VERSION)
    assert basis_of(directory) == served


def test_the_package_has_no_folder(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "a")
    directory.create(b"{}")
    note_basis(directory, PACKAGE_VERSION)
    assert basis_of(directory) == PACKAGE_VERSION == version_in(tmp_path, 0, None)


def test_a_version_is_whole_while_its_files_are_there(tmp_path: Path) -> None:
    require_whole(PACKAGE_VERSION)
    directory = JobDirectory(tmp_path / "a")
    version = version_in(tmp_path, 2, "a")
    with pytest.raises(Conflict, match="Version 2 cannot be evaluated: its files are gone"):
        require_whole(version)
    directory.create(b"{}")
    weights = directory.artifacts / "weights"
    weights.write_bytes(b"12")
    with pytest.raises(Conflict, match="list of its artifacts cannot be read"):
        require_whole(version)
    seal(directory)
    require_whole(version)
    weights.unlink()
    weights.write_bytes(b"1")
    with pytest.raises(Conflict, match="'weights' has 1 bytes instead of 2"):
        require_whole(version)
