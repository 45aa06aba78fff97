# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a folder takes is what its removal frees; too little space refuses."""

import os
import shutil
from pathlib import Path

import pytest

from deepaas.errors import StorageFull
from deepaas.execution.disk import require_free, used_bytes

MIB = 1024 * 1024


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())  # some file systems allocate no earlier


def test_what_lies_deep_counts_and_what_a_link_leads_to_does_not(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere / "large", 3 * MIB)
    folder = tmp_path / "job"
    write(folder / "artifacts" / "a" / "m.bin", 2 * MIB)
    (folder / "link").symlink_to(elsewhere)
    (folder / "link to a file").symlink_to(elsewhere / "large")
    assert 2 * MIB <= used_bytes(folder) < 3 * MIB


def test_holes_take_nothing(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.truncate(100 * MIB)
    assert used_bytes(tmp_path) < MIB


def test_what_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert used_bytes(tmp_path / "gone") == 0


def test_space_is_there_or_it_is_said_how_much_is_missing(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_free(tmp_path, free // 2)
    require_free(tmp_path / "gone", 0)
    with pytest.raises(StorageFull, match=r"bytes are free in .*--jobs-min-free"):
        require_free(tmp_path, free * 2)
    with pytest.raises(FileNotFoundError):
        require_free(tmp_path / "gone", 1)
