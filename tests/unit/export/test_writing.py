# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files are written whole, and what differs is replaced only when that is asked for."""

import os
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export.writing import write_files

FILES = {"a": "1\r\n", "b/c": "2 ☃\n"}


def test_folders_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    old = os.umask(0o027)
    try:
        assert write_files(FILES, folder) == [folder / "a", folder / "b" / "c"]
    finally:
        os.umask(old)
    assert (folder / "a").read_bytes() == b"1\r\n"
    assert (folder / "b" / "c").read_text("utf-8") == "2 ☃\n"
    assert (folder / "a").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(folder)) == ["a", "b"]


def test_what_is_the_same_is_left_alone(tmp_path: Path) -> None:
    write_files(FILES, tmp_path)
    before = (tmp_path / "a").stat().st_ino
    (tmp_path / "b" / "c").unlink()
    assert write_files(FILES, tmp_path) == [tmp_path / "b" / "c"]
    assert (tmp_path / "a").stat().st_ino == before


def test_what_differs_stays_and_then_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"a' would be overwritten.*--force"):
        write_files(FILES, tmp_path)
    assert (tmp_path / "a").read_text() == "mine"
    assert os.listdir(tmp_path) == ["a"]


def test_force_replaces_and_keeps_the_mode_and_links(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    mine.chmod(0o600)
    (tmp_path / "a").symlink_to(mine)
    write_files({"a": "1\n"}, tmp_path, force=True)
    assert (tmp_path / "a").is_symlink()
    assert mine.read_text() == "1\n"
    assert mine.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["a", "mine"]


def test_a_link_to_nothing_is_something(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigurationError, match="would be overwritten"):
        write_files({"a": "1\n"}, tmp_path)


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ConfigurationError, match=r"a' cannot be used: Is a directory\."):
        write_files(FILES, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"a' cannot be used: Not a directory\."):
        write_files(FILES, tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["a", "file"]


def test_what_fails_half_way_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigurationError, match=r"a' cannot be used: No space left on device\."):
        write_files({"a": "1"}, tmp_path)
    assert os.listdir(tmp_path) == []
