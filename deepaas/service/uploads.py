# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Uploads on their way to the disk.

Writing a piece costs as much as reading it from the client, and a slow disk may hold it up for
long: threads write, half a MiB at a time, while the next piece comes in.
"""

import asyncio
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from deepaas.errors import DeepaasError, StorageFull, StorageUnavailable
from deepaas.execution.messages import write_all
from deepaas.service.incoming import Incoming

_SUFFIX = re.compile(r"\.[A-Za-z0-9_-]{1,16}")
#: Gathered before it is written; twice as much is held at most, beside what is being received.
#: Larger pieces are not faster: they leave the processor's cache before they are written.
_GATHER_BYTES = 512 * 1024
#: So small an upload is written at once: it goes into the page cache faster than a thread wakes up.
_AT_ONCE_BYTES = 64 * 1024
#: Of one writev(2), which takes 1024.
_MAX_PIECES = 512


class Upload:
    """A file that is being received; :meth:`abandon` or :meth:`finish` it.

    Args:
        folder: Where it is made, under a name of its own.
        filename: The client's name for it, of which only the suffix is used: models look at it.
        incoming: Removes the file in the end.

    Raises:
        StorageFull, StorageUnavailable: It cannot be made.
    """

    def __init__(self, folder: Path, filename: str, incoming: Incoming) -> None:
        suffix = Path(filename).suffix
        name = os.urandom(8).hex() + (suffix if _SUFFIX.fullmatch(suffix) else "")
        #: Where it lies.
        self.path = folder / name
        #: How much of it came.
        self.bytes = 0
        self._pieces: list[bytes | memoryview] = []
        self._gathered = 0
        self._writing: asyncio.Future[None] | None = None
        try:
            self._fd = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        except OSError as exc:
            raise storage_error(exc) from exc
        incoming.paths.append(self.path)

    async def write(self, data: bytes | memoryview) -> None:
        """Take a piece, which must not change; errors may come with a later one.

        Raises:
            StorageFull, StorageUnavailable: It cannot be written.
        """
        self.bytes += len(data)
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= _GATHER_BYTES or len(self._pieces) >= _MAX_PIECES:
            await self._written()
            self._writing = self._start()

    async def finish(self) -> None:
        """Write the rest and close the file; raises as :meth:`write` does."""
        try:
            await self._written()
            if self._gathered <= _AT_ONCE_BYTES:
                _write(self._fd, self._pieces)
            else:
                self._writing = self._start()
                await self._written()
        except OSError as exc:
            raise storage_error(exc) from exc
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file, once no thread writes to it any more; may be called twice."""
        fd, self._fd = self._fd, -1
        self._pieces = []
        if fd == -1:
            return
        if self._writing is None:
            os.close(fd)
        else:
            self._writing.add_done_callback(lambda _: os.close(fd))

    def _start(self) -> "asyncio.Future[None]":
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        return asyncio.get_running_loop().run_in_executor(None, _write, self._fd, pieces)

    async def _written(self) -> None:
        """Wait until the last piece that a thread was given is written."""
        if self._writing is None:
            return
        # Not awaited itself: a cancelled request would take it for ended while the thread writes.
        await asyncio.wait({self._writing})
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except OSError as exc:
            raise storage_error(exc) from exc


def _write(fd: int, pieces: Sequence[bytes | memoryview]) -> None:
    if not pieces:
        return
    written = os.writev(fd, pieces)
    for piece in pieces:
        if written < len(piece):
            # Cut short: the disk is nearly full, or was. The next write tells.
            write_all(fd, memoryview(piece)[written:])
        written = max(0, written - len(piece))


def storage_error(exc: OSError) -> DeepaasError:
    """Return an error of the file system as one of ours."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("No space is left for uploads.")
    return StorageUnavailable(f"The upload cannot be stored: {exc.strerror}.")
