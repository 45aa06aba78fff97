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
