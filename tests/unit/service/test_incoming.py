# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a call holds is let go, once, whatever became of it."""

import os
import threading
from pathlib import Path

import pytest

from deepaas.execution.messages import memory_file
from deepaas.records import CallInput
from deepaas.service.incoming import PARSE_HERE_BYTES, Incoming
from tests.unit.parts import open_fds, until


def test_everything_is_released_once(tmp_path: Path) -> None:
    before = open_fds()
    path = tmp_path / "upload"
    path.touch()
    moved = tmp_path / "moved"
    incoming = Incoming(CallInput(body=b"{}"), memory_file(b"{}"), [path, moved])
    incoming.release()
    assert open_fds() == before
    assert not path.exists()
    assert incoming.given.body is None
    reused = os.open(tmp_path, os.O_RDONLY)
    incoming.release()
    os.fstat(reused)  # is still open
    os.close(reused)


def test_a_file_that_cannot_be_removed_holds_up_no_other(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.touch()
    Incoming(paths=[file, folder]).release()
    assert not file.exists()
    assert folder.exists()


@pytest.mark.parametrize(("size", "is_here"), [(1000, True), (100_000_000, False)])
async def test_a_large_file_is_removed_by_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_here: bool
) -> None:
    threads = []
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        threads.append(threading.current_thread())
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.truncate(size)
    Incoming(paths=[file]).release()
    await until(lambda: not file.exists())
    assert [thread is threading.main_thread() for thread in threads] == [is_here]


@pytest.mark.parametrize(
    ("body", "is_small"),
    [
        (None, True),
        (b"", True),
        (bytes(PARSE_HERE_BYTES), True),
        (bytes(PARSE_HERE_BYTES + 1), False),
    ],
)
def test_a_small_body_may_be_parsed_here(body: bytes | None, is_small: bool) -> None:
    assert Incoming(CallInput(body=body)).is_small == is_small


def test_a_body_in_memory_of_its_own_is_not_small() -> None:
    incoming = Incoming(body_fd=memory_file(b"{}"))
    assert not incoming.is_small
    incoming.release()
    assert incoming.is_small
