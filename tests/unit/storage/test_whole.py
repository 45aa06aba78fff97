# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Local files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from deepaas.storage.whole import files_below, is_part, part_name, part_of, written_whole


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with written_whole(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert files_below(tmp_path) == []
    assert target.read_text() == "half"
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def write() -> None:
        with written_whole(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    (top / "below" / "file").touch()
    (top / "within").symlink_to("below/file")
    (top / "outside").symlink_to(tmp_path / "secret")
    (top / "nothing").symlink_to("gone")
    (top / "to folder").symlink_to("below")
    os.mkfifo(top / "pipe")
    assert files_below(top) == ["below/file", "within"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files_below(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        files_below(tmp_path / "file")


def test_a_part_lies_beside_its_file() -> None:
    assert is_part(part_name())
    assert is_part(part_of("a/b/c"))
    assert part_of("a/b/c").startswith("a/b/.deepaas-")
    assert not is_part("a/.deepaas-x.part")
    assert part_of("a/b?") == "a/b?"
