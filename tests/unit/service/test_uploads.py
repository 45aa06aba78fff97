# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An upload is written whole and in order, and closed when nobody writes to it any more."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from deepaas.errors import StorageFull, StorageUnavailable
from deepaas.service import uploads
from deepaas.service.incoming import Incoming
from deepaas.service.uploads import Upload
from tests.unit.parts import open_fds, until

KB = 1024


async def store(tmp_path: Path, pieces: Sequence[bytes | memoryview]) -> bytes:
    """Write the pieces, and return what then lies on the disk."""
    upload = Upload(tmp_path, "a.png", Incoming())
    for piece in pieces:
        await upload.write(piece)
    await upload.finish()
    return upload.path.read_bytes()


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0],
        [1, 2],
        [64 * KB, 1],
        [512 * KB],
        [512 * KB, 1],
        [200 * KB] * 20,
        [5000 * KB, 3, 700 * KB],
        [1] * 3000,
    ],
    ids=lambda sizes: f"{len(sizes)}x{sum(sizes)}",
)
async def test_what_came_is_what_lies_there(tmp_path: Path, sizes: list[int]) -> None:
    before = open_fds()
    pieces = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    await asyncio.to_thread(open_fds)  # the thread that writes is there now
    assert await store(tmp_path, [memoryview(piece) for piece in pieces]) == b"".join(pieces)
    assert open_fds() == before


async def test_a_write_that_is_cut_short_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.writev

    def short(fd: int, pieces: Sequence[bytes]) -> int:
        return real(fd, [b"".join(pieces)[:7]])

    monkeypatch.setattr(os, "writev", short)
    pieces = [b"abc", b"def", b"ghi", b"", b"jkl"]
    assert await store(tmp_path, pieces) == b"".join(pieces)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageUnavailable)]
)
@pytest.mark.parametrize("size", [10, 600 * KB, 3000 * KB])
async def test_a_disk_that_fails_is_told_and_the_file_closed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    number: int,
    error: type[Exception],
) -> None:
    def fail(fd: int, pieces: Sequence[bytes]) -> int:
        raise OSError(number, os.strerror(number))

    before = open_fds()
    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(error):
        await store(tmp_path, [bytes(100 * KB)] * (size // KB // 100) + [bytes(size % (100 * KB))])
    # What was being written when the error came is given up, in the end.
    for _ in range(3):
        await asyncio.sleep(0)
    assert open_fds() <= before + 1


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        Upload(tmp_path / "gone", "a.png", Incoming())


async def test_an_abandoned_file_stays_open_while_a_thread_writes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread would write into whatever was opened next."""
    writing, may_go_on = threading.Event(), threading.Event()
    real = uploads._write

    def slow(fd: int, pieces: Sequence[bytes | memoryview]) -> None:
        writing.set()
        may_go_on.wait()
        real(fd, pieces)

    monkeypatch.setattr(uploads, "_write", slow)
    incoming = Incoming()
    upload = Upload(tmp_path, "a.png", incoming)
    fd = upload._fd
    await upload.write(bytes(600 * KB))
    # The next piece has to wait for the slow disk, and its client leaves.
    waiting = asyncio.create_task(upload.write(bytes(600 * KB)))
    await asyncio.to_thread(writing.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    upload.abandon()
    upload.abandon()
    incoming.release()
    assert not upload.path.exists()
    assert os.fstat(fd).st_size == 0
    may_go_on.set()
    await until(lambda: not os.path.exists(f"/proc/self/fd/{fd}"))
