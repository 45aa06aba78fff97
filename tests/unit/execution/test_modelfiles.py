# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The artifacts of a promoted job are known as they were, and any change of them is found."""

import json
import os
import stat
from pathlib import Path

import pytest

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import fault_of, has_artifacts, seal


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Make a job's directory with two artifacts."""
    made = JobDirectory(tmp_path / "job")
    made.create(b"{}")
    (made.artifacts / "deep" / "er").mkdir(parents=True)
    (made.artifacts / "model").write_bytes(b"weights")
    (made.artifacts / "deep" / "er" / "labels").write_bytes(b"")
    return made


def test_a_folder_without_files_is_empty(tmp_path: Path) -> None:
    made = JobDirectory(tmp_path / "job")
    assert not has_artifacts(made)
    made.create(b"{}")
    (made.artifacts / "folder").mkdir()
    assert not has_artifacts(made)


def test_files_are_noted_once_and_cannot_be_written_any_more(directory: JobDirectory) -> None:
    assert has_artifacts(directory)
    seal(directory)
    note = directory.path / "promoted.json"
    content = json.loads(note.read_bytes())
    assert [(file["path"], file["bytes"]) for file in content["files"]] == [
        ("model", 7),
        ("deep/er/labels", 0),
    ]
    for file in content["files"]:
        mode = (directory.artifacts / file["path"]).stat().st_mode
        assert not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    (directory.artifacts / "model").chmod(0o600)
    (directory.artifacts / "model").write_bytes(b"another")
    before = note.read_bytes()
    seal(directory)
    assert note.read_bytes() == before
    assert sorted(os.listdir(directory.path)) == [
        "artifacts",
        "call.json",
        "checkpoints",
        "inputs",
        "promoted.json",
    ]


@pytest.mark.parametrize("with_checksums", [True, False])
def test_what_is_as_it_was_has_no_fault(directory: JobDirectory, with_checksums: bool) -> None:
    seal(directory)
    # What was added since is no part of it.
    (directory.artifacts / "cache").write_bytes(b"x")
    assert fault_of(directory, with_checksums=with_checksums) is None


def test_every_damage_is_found(directory: JobDirectory) -> None:
    unsealed = fault_of(directory, with_checksums=True)
    assert unsealed == "the list of its artifacts cannot be read: FileNotFoundError"
    seal(directory)
    model = directory.artifacts / "model"
    model.chmod(0o600)
    model.write_bytes(b"weighty")
    assert fault_of(directory, with_checksums=False) is None
    changed = fault_of(directory, with_checksums=True)
    assert changed == "its artifact 'model' has another checksum than when it was promoted"
    model.write_bytes(b"cut")
    short = fault_of(directory, with_checksums=False)
    assert short == "its artifact 'model' has 3 bytes instead of 7"
    model.unlink()
    gone = fault_of(directory, with_checksums=False)
    assert gone == "its artifact 'model' cannot be read: No such file or directory"
    (directory.path / "promoted.json").write_text('{"files": [{}]}')
    damaged = fault_of(directory, with_checksums=False)
    assert damaged == "the list of its artifacts cannot be read: TypeError"


def test_a_note_that_cannot_be_written_leaves_nothing(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deepaas.execution.modelfiles.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        seal(directory)
    assert not [name for name in os.listdir(directory.path) if name.startswith("promoted")]
