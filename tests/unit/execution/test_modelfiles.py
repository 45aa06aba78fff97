# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The artifacts of a promoted job are known as they were, and any change of them is found."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from deepaas.execution.artifacts import list_artifacts
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
        ("deep/er/labels", 0),
        ("model", 7),
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
        "artifacts.json",
        "call.json",
        "checkpoints",
        "inputs",
        "promoted.json",
    ]


def test_what_links_lead_to_outside_is_neither_noted_nor_touched(
    directory: JobDirectory, tmp_path: Path
) -> None:
    """A link within the folder counts, as it does where artifacts are listed."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    outside.chmod(0o644)
    (directory.artifacts / "away").symlink_to(outside)
    (directory.artifacts / "latest").symlink_to("model")
    seal(directory)
    assert outside.stat().st_mode & 0o777 == 0o644
    noted = json.loads((directory.path / "promoted.json").read_bytes())["files"]
    assert [file["path"] for file in noted] == ["deep/er/labels", "latest", "model"]
    listed = list_artifacts(directory, is_final=True)
    assert [(file.path, file.sha256) for file in listed] == [
        (file["path"], file["sha256"]) for file in noted
    ]
    assert fault_of(directory, with_checksums=True) is None
    (directory.artifacts / "latest").unlink()
    (directory.artifacts / "latest").symlink_to(outside)
    fault = fault_of(directory, with_checksums=True)
    assert fault == "its artifact 'latest' cannot be read: No such file or directory"


def test_links_that_lead_outside_are_no_artifacts(tmp_path: Path) -> None:
    made = JobDirectory(tmp_path / "job")
    made.create(b"{}")
    (made.artifacts / "away").symlink_to("/etc/hostname")
    assert not has_artifacts(made)


def test_a_file_that_cannot_be_read_is_not_left_out(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version would not be whole; root, who reads everything, is refused by hand."""
    opening = os.open

    def refuse(path: str | Path, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if path == "model":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opening(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr("deepaas.execution.artifacts.os.open", refuse)
    with pytest.raises(PermissionError, match="model"):
        seal(directory)
    assert not (directory.path / "promoted.json").exists()


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
