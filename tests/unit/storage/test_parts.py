# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is on its way is no file yet, and no list leaves its folder."""

import os
from pathlib import Path

import pytest

from deepaas.storage.parts import Below, is_part, look_below, part_of
from deepaas.whole import part_name, written_whole


def test_what_is_being_written_is_no_file_yet(tmp_path: Path) -> None:
    with written_whole(tmp_path / "file"):
        assert look_below(tmp_path) == Below([], [])
    assert look_below(tmp_path) == Below(["file"], [])


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
    assert look_below(top) == Below(
        ["below/file", "within"], ["nothing", "outside", "pipe", "to folder"]
    )


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look_below(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        look_below(tmp_path / "file")


def test_a_part_lies_beside_its_file() -> None:
    assert is_part(part_name())
    assert is_part(part_of("a/b/c"))
    assert part_of("a/b/c").startswith("a/b/.deepaas-")
    assert not is_part("a/.deepaas-x.part")
    assert part_of("a/b?") == "a/b?"
