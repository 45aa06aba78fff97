# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Transfers are whole or say what is missing, and go on where they were."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import StoredFile, safe_parts
from deepaas.storage.local import LocalFileStore
from deepaas.storage.transfer import Transfer
from deepaas.whole import part_name


class Breaks(LocalFileStore):
    """A folder to which the line breaks some times, after half a file."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self._times = times

    def fetch(self, path: str, target: Path) -> None:
        super().fetch(path, target)
        if self._times > 0:
            self._times -= 1
            os.truncate(target, target.stat().st_size // 2)

    def put(self, source: Path, path: str) -> None:
        if self._times > 0:
            self._times -= 1
            raise RemoteFailed("the line broke.", may_pass=True)
        super().put(source, path)


class Lists(LocalFileStore):
    """A folder that tells of files as it likes."""

    def __init__(self, folder: Path, *files: StoredFile) -> None:
        super().__init__(folder)
        self._told = files

    def find(self, path: str) -> tuple[StoredFile, ...]:
        return self._told


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return the folder of a store with three files."""
    folder = tmp_path / "remote"
    for name in ("a", "b c/d", "b c/é"):
        (folder / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "top" / name).write_text(f"content of {name}")
    return folder


def names(folder: Path) -> list[str]:
    """Return every file below a folder, hidden ones too."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_a_pull_is_done_once(tmp_path: Path, remote: Path) -> None:
    told: list[tuple[str, int]] = []
    transfer = Transfer(LocalFileStore(remote), tell=lambda *moved: told.append(moved))
    here = tmp_path / "new" / "here"
    report = transfer.pull("top", here)
    assert report.is_whole
    assert report.done == names(here) == ["a", "b c/d", "b c/é"]
    assert report.bytes == sum(size for _, size in told)
    assert (here / "b c/é").read_text() == "content of b c/é"
    again = transfer.pull("top", here)
    assert (again.done, again.equal) == ([], report.done)


def test_a_file_that_changed_comes_again(tmp_path: Path, remote: Path) -> None:
    transfer = Transfer(LocalFileStore(remote))
    transfer.pull("top", tmp_path / "here")
    (remote / "top" / "a").write_text("content of A")
    os.utime(remote / "top" / "a", (1e9, 1e9))
    assert transfer.pull("top", tmp_path / "here").done == ["a"]
    assert (tmp_path / "here" / "a").read_text() == "content of A"
    (remote / "top" / "a").write_text("longer")
    os.utime(remote / "top" / "a", (1e9, 1e9))
    assert transfer.pull("top", tmp_path / "here").done == ["a"]


def test_one_file_can_be_pulled_and_all(tmp_path: Path, remote: Path) -> None:
    transfer = Transfer(LocalFileStore(remote))
    assert transfer.pull("top/b c/d", tmp_path / "one").done == ["d"]
    assert transfer.pull("", tmp_path / "all").done == ["top/a", "top/b c/d", "top/b c/é"]


def test_a_push_is_done_once(tmp_path: Path, remote: Path) -> None:
    store = tmp_path / "store"
    transfer = Transfer(LocalFileStore(store))
    report = transfer.push(remote / "top", "x/y")
    assert report.is_whole
    assert report.done == names(store / "x" / "y") == ["a", "b c/d", "b c/é"]
    assert transfer.push(remote / "top", "x/y").equal == report.done
    (remote / "top" / "a").write_text("longer than it was")
    assert transfer.push(remote / "top", "x/y").done == ["a"]
    later = datetime.now(UTC).timestamp() + 60
    os.utime(remote / "top" / "a", (later, later))
    assert transfer.push(remote / "top", "x/y").done == ["a"]
    assert transfer.push(remote / "top" / "a", "").done == ["a"]
    assert (store / "a").read_text() == "longer than it was"


def test_what_breaks_off_is_tried_again_with_pauses(tmp_path: Path, remote: Path) -> None:
    pauses: list[float] = []
    report = Transfer(Breaks(remote, 2), sleep=pauses.append).pull("top", tmp_path / "here")
    assert report.is_whole
    assert pauses == [1.0, 2.0]
    assert (tmp_path / "here" / "a").read_text() == "content of a"
    report = Transfer(Breaks(tmp_path / "there", 2), sleep=pauses.append).push(remote, "")
    assert report.is_whole


def test_what_stays_broken_is_told_and_nothing_is_half_there(tmp_path: Path, remote: Path) -> None:
    here = tmp_path / "here"
    report = Transfer(Breaks(remote, 3), sleep=lambda _: None).pull("top", here)
    assert not report.is_whole
    assert report.failed == {"a": "'top/a': 6 of 12 bytes came."}
    assert report.left == ["b c/d", "b c/é"]
    assert names(here) == []
    assert Transfer(LocalFileStore(remote)).pull("top", here).done == ["a", "b c/d", "b c/é"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", "./x", "x/", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    tmp_path: Path, remote: Path, name: str
) -> None:
    store = Lists(remote, StoredFile(f"top/{name}", 1), StoredFile("top/a", 12))
    report = Transfer(store).pull("top", tmp_path / "here")
    assert report.done == ["a"]
    assert "is no name for a file" in report.failed[name]
    assert names(tmp_path / "here") == ["a"]
    with pytest.raises(RemoteFailed):
        safe_parts(name)


def test_without_times_the_size_decides(tmp_path: Path, remote: Path) -> None:
    transfer = Transfer(Lists(remote, StoredFile("top/a", 12)))
    assert transfer.pull("top", tmp_path / "here").done == ["a"]
    assert transfer.pull("top", tmp_path / "here").equal == ["a"]
    assert transfer.push(tmp_path / "here", "top").done == ["a"]


def test_a_folder_in_the_way_is_told(tmp_path: Path, remote: Path) -> None:
    (tmp_path / "here" / "a").mkdir(parents=True)
    (tmp_path / "here" / "b c").touch()
    report = Transfer(LocalFileStore(remote)).pull("top", tmp_path / "here")
    assert set(report.failed) == {"a", "b c/d", "b c/é"}
    assert (tmp_path / "here" / "a").is_dir()
    with pytest.raises(RemoteFailed, match="cannot be made: Not a directory"):
        Transfer(LocalFileStore(remote)).pull("top", tmp_path / "here" / "b c" / "x")


def test_a_store_that_cannot_be_listed_is_told(tmp_path: Path, remote: Path) -> None:
    with pytest.raises(RemoteFailed, match="No such file") as caught:
        Transfer(LocalFileStore(remote)).pull("nothing", tmp_path / "here")
    assert caught.value.is_missing
    assert not (tmp_path / "here").exists()
    with pytest.raises(RemoteFailed, match="Not a directory"):
        Transfer(LocalFileStore(remote)).push(remote, "top/a/b")
    with pytest.raises(RemoteFailed, match="No such file"):
        Transfer(LocalFileStore(remote)).push(tmp_path / "nothing", "")


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff")).touch()
    (report,) = [Transfer(LocalFileStore(tmp_path / "store")).push(folder, "")]
    assert "is no name in UTF-8" in next(iter(report.failed.values()))


def test_a_file_that_went_meanwhile_is_told(tmp_path: Path) -> None:
    class Removes(LocalFileStore):
        def find(self, path: str) -> tuple[StoredFile, ...]:
            (tmp_path / "here" / "file").unlink()
            return ()

    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").touch()
    report = Transfer(Removes(tmp_path / "store")).push(tmp_path / "here", "")
    assert "No such file" in report.failed["file"]


def test_a_pull_removes_what_killed_ones_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day: another one may still be writing."""
    (tmp_path / "there").mkdir()
    part = tmp_path / "here" / "below" / part_name()
    part.parent.mkdir(parents=True)
    part.touch()
    os.utime(part, (0, 0))
    transfer, now_s = Transfer(LocalFileStore(tmp_path)), time.time()
    transfer.pull("there", tmp_path / "here")
    assert part.exists()
    monkeypatch.setattr("time.time", lambda: now_s + 25 * 60 * 60)
    transfer.pull("there", tmp_path / "here")
    assert not part.exists()
