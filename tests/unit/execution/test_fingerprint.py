# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A folder that changes gets another fingerprint."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deepaas.execution.fingerprint import fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "below" / "a").write_text("other"),
        lambda folder: os.utime(folder / "below" / "a", (1, 1)),
        lambda folder: (folder / "below" / "a").unlink(),
        lambda folder: (folder / "below" / "a").rename(folder / "below" / "b"),
        lambda folder: (folder / os.fsdecode(b"\xff")).touch(),
    ],
)
def test_every_change_shows(tmp_path: Path, change: Callable[[Path], object]) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_text("text")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    change(tmp_path)
    assert fingerprint(tmp_path) != before


def test_a_folder_that_is_not_there_is_like_an_empty_one(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "gone") == fingerprint(tmp_path)


def test_what_cannot_be_looked_at_is_left_out(tmp_path: Path) -> None:
    """Here, since its path is too long to be given to the system."""
    before = fingerprint(tmp_path)
    folder = os.open(tmp_path, os.O_RDONLY)
    length = len(os.fsencode(tmp_path))
    while length < 4000:
        name = "d" * min(200, 4090 - length - 1)
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
        length += len(name) + 1
    os.mkdir("f" * 200, dir_fd=folder)
    os.close(folder)
    assert fingerprint(tmp_path) != before
