# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A training keeps the version with which its first attempt began."""

from pathlib import Path

from deepaas.execution.basis import basis_of, note_basis, version_in
from deepaas.execution.jobdir import JobDirectory
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
