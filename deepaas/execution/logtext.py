# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read a job's log while it is written, as text of which every piece is whole.

A log is bytes that a terminal would understand. A piece never ends within a character; what is no
UTF-8 is replaced. A carriage return, with which progress bars write over themselves, leaves of each
line what was written last, and begins a new line where the old one had been passed on already. What
the log's cap has left out is passed over. Everything here blocks.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

from deepaas.execution.joblog import read_log

#: What is read at once.
_BLOCK_BYTES: Final = 32 * 1024
#: How far back the beginning of the last lines is looked for.
_FARTHEST_BYTES: Final = 16 * 1024 * 1024


class LogPiece(NamedTuple):
    """Some text of a log."""

    #: The offset behind it in the file, from which a reader goes on.
    end: int
    #: Without carriage returns; the whole log is the pieces one behind the other.
    text: str


class LogReader:
    """Reads one log from an offset on.

    Args:
        path: Of the log; it need not be there yet.
        offset: Where it begins, such as the ``end`` of a piece.
    """

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        #: Whether something of the current line was passed on already.
        self._is_in_line = offset > 0 and _read(path, offset - 1, 1) not in (b"\n", b"")

    def read(self, offset: int, is_ended: bool) -> tuple[LogPiece | None, int]:
        """Return the next piece, ``None`` if there is none now, and the offset behind it.

        Args:
            offset: Where the last piece ended.
            is_ended: Whether nothing is written any more, so that what is incomplete stays so.
        """
        try:
            data, end = read_log(self._path, offset, _BLOCK_BYTES)
        except FileNotFoundError:
            return None, offset
        if not (is_ended and len(data) < _BLOCK_BYTES):
            end -= len(data) - _whole(data)
            data = data[: _whole(data)]
        if not data:
            return None, offset
        return LogPiece(end, self._shown(data.decode("utf-8", "replace"))), end

    def _shown(self, text: str) -> str:
        text = text.replace("\r\n", "\n")
        lines = text.split("\n") if "\r" in text else []
        begins_anew = self._is_in_line and bool(lines) and "\r" in lines[0]
        self._is_in_line = not text.endswith("\n")
        if not lines:
            return text
        shown = "\n".join(map(_written_last, lines))
        return "\n" + shown if begins_anew else shown


def tail_offset(path: Path, lines: int) -> int:
    """Return where the last lines of a file begin, looked for in its last 16 MiB only."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    if lines == 0:
        return size
    # The end of the last line begins none.
    wanted = lines + (_read(path, size - 1, 1) == b"\n")
    start = size
    while start > 0 and size - start < _FARTHEST_BYTES:
        block_start = max(0, start - _BLOCK_BYTES)
        block = _read(path, block_start, start - block_start)
        found = block.count(b"\n")
        if found >= wanted:
            return block_start + _after_newline(block, wanted)
        wanted -= found
        start = block_start
    return start


def _after_newline(block: bytes, count: int) -> int:
    """Return the place behind a line's end, counted from the end of the block."""
    place = len(block)
    for _ in range(count):
        place = block.rindex(b"\n", 0, place)
    return place + 1


def _read(path: Path, offset: int, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(fd, size, offset) if offset >= 0 else b""
    finally:
        os.close(fd)


def _whole(data: bytes) -> int:
    """Return how much of some bytes can be shown before more of them are known."""
    end = len(data)
    if data.endswith(b"\r"):
        end -= 1  # a newline may follow
    for back in range(1, min(4, end) + 1):
        byte = data[end - back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue  # within a character
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return end - back if length > back and byte >= 0xC0 else end
    return end


def _written_last(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part), "")
