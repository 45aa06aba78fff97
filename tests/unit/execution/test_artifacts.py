# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job made is listed with checksums that hold, and nothing outside its folder is reached."""

import errno
import hashlib
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import pytest

from deepaas.execution.artifacts import Artifact, list_artifacts, open_artifact, seal
from deepaas.execution.jobdir import JobDirectory
from tests.unit.parts import open_fds


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """A job that made three files."""
    made = JobDirectory(tmp_path / "job")
    made.create(b"")
    (made.artifacts / "b" / "c").mkdir(parents=True)
    (made.artifacts / "a.txt").write_text("A")
    (made.artifacts / "b" / "c" / "d.bin").write_bytes(b"D" * 5000)
    (made.artifacts / "b.txt").touch()
    return made


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def content(directory: JobDirectory, path: str, *, is_final: bool = True) -> bytes:
    fd, _ = open_artifact(directory, path, is_final=is_final)
    with open(fd, "rb") as file:
        return file.read()


def shown(files: tuple[Artifact, ...]) -> dict[str, tuple[int, str | None]]:
    return {file.path: (file.bytes, file.sha256) for file in files}


ALL = {
    "a.txt": (1, digest(b"A")),
    "b.txt": (0, digest(b"")),
    "b/c/d.bin": (5000, digest(b"D" * 5000)),
}


@contextmanager
def no_space(limit_bytes: int = 0) -> Iterator[None]:
    """Let no file grow longer."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_sealed_files_are_noted_in_order(directory: JobDirectory) -> None:
    assert shown(seal(directory)) == ALL
    noted = json.loads((directory.path / "artifacts.json").read_text())
    assert [file["path"] for file in noted["files"]] == list(ALL)
    assert [path.name for path in directory.path.glob("*.tmp")] == []


def test_a_job_that_still_writes_has_no_checksums(directory: JobDirectory) -> None:
    found = list_artifacts(directory, is_final=False)
    assert shown(found) == {path: (size, None) for path, (size, _) in ALL.items()}
    assert not (directory.path / "artifacts.json").exists()
    fd, file = open_artifact(directory, "a.txt", is_final=False)
    os.close(fd)
    assert file.sha256 is None


def test_what_is_sealed_is_not_read_again(directory: JobDirectory) -> None:
    """Shown by a wrong checksum that is believed as long as the file does not change."""
    seal(directory)
    manifest = directory.path / "artifacts.json"
    manifest.write_text(manifest.read_text().replace(digest(b"A"), digest(b"wrong")))
    assert list_artifacts(directory, is_final=True)[0].sha256 == digest(b"wrong")
    (directory.artifacts / "new").write_text("N")
    assert shown(list_artifacts(directory, is_final=True))["a.txt"] == (1, digest(b"wrong"))
    os.utime(directory.artifacts / "a.txt", ns=(0, 0))
    assert shown(list_artifacts(directory, is_final=True)) == {
        **ALL,
        "new": (1, digest(b"N")),
    }


def test_what_was_never_sealed_is_when_it_is_asked_for(directory: JobDirectory) -> None:
    assert shown(list_artifacts(directory, is_final=True)) == ALL
    assert (directory.path / "artifacts.json").exists()


def test_a_file_that_changed_after_sealing_is_sent_with_its_new_checksum(
    directory: JobDirectory,
) -> None:
    seal(directory)
    (directory.artifacts / "a.txt").write_text("AA")
    fd, file = open_artifact(directory, "a.txt", is_final=True)
    os.close(fd)
    assert (file.bytes, file.sha256) == (2, digest(b"AA"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": [{"path": "a"}]}', '{"files": 7}'])
def test_a_manifest_that_cannot_be_read_is_made_anew(directory: JobDirectory, text: str) -> None:
    (directory.path / "artifacts.json").write_text(text)
    assert shown(list_artifacts(directory, is_final=True)) == ALL


def test_a_full_disk_costs_the_note_only(
    directory: JobDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    with no_space():
        assert shown(seal(directory)) == ALL
    assert "cannot" in caplog.text or "could not be kept" in caplog.text
    assert sorted(path.name for path in directory.path.glob("artifacts*")) == ["artifacts"]


def test_a_directory_that_is_gone_has_no_files(tmp_path: Path) -> None:
    gone = JobDirectory(tmp_path / "gone")
    assert list_artifacts(gone, is_final=True) == ()
    with pytest.raises(FileNotFoundError):
        open_artifact(gone, "a.txt", is_final=True)


def test_a_file_is_opened(directory: JobDirectory) -> None:
    assert content(directory, "a.txt") == b"A"
    assert content(directory, "b/c/d.bin") == b"D" * 5000


@pytest.mark.parametrize(
    "path",
    [
        *("../call.json", "b/../../call.json", "/etc/passwd", "..", ".", "", "/", "a\0b"),
        *(
            "none",
            "b",
            "b/c",
            "a.txt/",
            "a.txt/x",
            "./a.txt",
            "b//c/d.bin",
            "x" * 300,
            "outside",
            "away/call.json",
        ),
        *("pipe", "broken", "loop", "\udcff"),
    ],
)
def test_nothing_else_is_opened(directory: JobDirectory, path: str) -> None:
    top = directory.artifacts
    (top / "outside").symlink_to("../call.json")
    (top / "away").symlink_to("..")
    (top / "broken").symlink_to("none")
    (top / "loop").symlink_to("loop")
    os.mkfifo(top / "pipe")
    with pytest.raises(FileNotFoundError):
        open_artifact(directory, path, is_final=True)
    assert path not in shown(list_artifacts(directory, is_final=True))


def test_links_within_the_folder_are_followed(directory: JobDirectory) -> None:
    top = directory.artifacts
    (top / "last").symlink_to("b/c/d.bin")
    (top / "folder").symlink_to("b")
    assert content(directory, "last") == b"D" * 5000
    assert content(directory, "folder/c/d.bin") == b"D" * 5000
    # What is below a linked folder is listed once, where it is.
    assert shown(list_artifacts(directory, is_final=True)) == {**ALL, "last": ALL["b/c/d.bin"]}


def test_a_file_name_that_is_no_text_is_sealed(directory: JobDirectory) -> None:
    name = os.fsdecode(b"caf\xe9")
    (directory.artifacts / name).write_text("A")
    assert shown(seal(directory))[name] == (1, digest(b"A"))
    assert shown(list_artifacts(directory, is_final=True))[name] == (1, digest(b"A"))
    assert content(directory, name) == b"A"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_left_out(directory: JobDirectory) -> None:
    (directory.artifacts / "a.txt").chmod(0)
    assert "a.txt" not in shown(seal(directory))


def test_a_file_that_cannot_be_sealed_is_closed(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(content: BufferedReader) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("deepaas.execution.artifacts.checksum_of", broken)
    before = open_fds()
    with pytest.raises(OSError, match="Input/output"):
        open_artifact(directory, "a.txt", is_final=True)
    assert open_fds() == before


def test_what_is_not_sealed_is_read_without_its_checksum(directory: JobDirectory) -> None:
    found = list_artifacts(directory, is_final=True, seals=False)
    assert shown(found) == {path: (size, None) for path, (size, _) in ALL.items()}
    fd, file = open_artifact(directory, "a.txt", is_final=True, seals=False)
    os.close(fd)
    assert file == found[0]
    assert not (directory.path / "artifacts.json").exists()
    seal(directory)
    assert shown(list_artifacts(directory, is_final=True, seals=False)) == ALL
