# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Keep a job's log under its cap while the training writes it.

Standard library only, since guards use it; Linux. The log is the standard output of the training,
no pipe, so that nobody stands between who writes and the file. What can be done from beside: of a
log that grows beyond its cap the beginning stays (half of the cap) and the end (a quarter at
least), and between them a line says how much is missing. The space of the rest is given back by a
hole in the file (fallocate(2), FALLOC_FL_PUNCH_HOLE), which moves nothing: an offset means the same
for ever, also for who follows the log. A hole reads as zero bytes; :func:`read_log` leaves them
out.

Some file systems know no holes (NFS before 4.2). There the file is cut behind its beginning and its
last part written again: offsets behind the cut change, and what is printed within these
milliseconds can be lost.
"""

import ctypes
import errno
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_BLOCK_BYTES: Final = 4096
_MARKER_BYTES: Final = 128
#: How often to look at a log: seldom, and as often as at all while it grows fast.
_SELDOM_S: Final = 0.1
_OFTEN_S: Final = 0.005
_FALLOC_FL_KEEP_SIZE: Final = 1
_FALLOC_FL_PUNCH_HOLE: Final = 2
_CANNOT_PUNCH: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


class Gap(NamedTuple):
    """The content of ``log-gap.json``: what of the log is no text any more."""

    #: Offsets in the file; the line that tells of the gap stands before ``start``.
    start: int
    end: int
    #: How many bytes are missing; more than between the two where the file was cut.
    left_out: int


def punch(fd: int, start: int, end: int) -> None:
    """Give the space of a part of a file back; it reads as zeros then.

    Raises:
        OSError: The file system cannot (``EOPNOTSUPP``), or something else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    mode = _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE
    if libc.fallocate64(fd, mode, ctypes.c_int64(start), ctypes.c_int64(end - start)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class LogCap:
    """Watches over one log, which exists; used by the one process that supervises the training."""

    def __init__(
        self, log: Path, max_bytes: int, *, punch: Callable[[int, int, int], None] = punch
    ) -> None:
        """Open the log; :meth:`close` closes it.

        Args:
            log: The file.
            max_bytes: Its cap, 0 for none, else 65,536 or more.
            punch: See :func:`punch`.
        """
        self._fd = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        self._log = log
        self._max_bytes = max_bytes
        self._punch = punch
        self._gap = log_gap(log)
        self._size = os.fstat(self._fd).st_size
        self._looked_s = time.monotonic()
        #: Where the line that tells of the gap stands.
        self._marker = max_bytes // 2 // _BLOCK_BYTES * _BLOCK_BYTES
        if self._gap is not None:
            self._marker = self._gap.start - _MARKER_BYTES

    def look(self) -> float:
        """Cut the log if it is too long; return after how many seconds to look again.

        What cannot be done (the disk is full) is tried again the next time.
        """
        if not self._max_bytes:
            return _SELDOM_S
        before, self._size = self._size, os.fstat(self._fd).st_size
        looked_s, self._looked_s = self._looked_s, time.monotonic()
        rate = (self._size - before) / max(self._looked_s - looked_s, _OFTEN_S / 10)
        if self._used() > self._max_bytes:
            with suppress(OSError):
                self._cut()
        room = self._max_bytes - self._used()
        return min(_SELDOM_S, max(_OFTEN_S, room / rate / 2)) if rate > 0 else _SELDOM_S

    def close(self) -> None:
        """Cut the log a last time, and let go of it."""
        self.look()
        os.close(self._fd)

    def _used(self) -> int:
        return self._size - (self._gap.end - self._gap.start if self._gap else 0)

    def _cut(self) -> None:
        start = self._marker + _MARKER_BYTES
        end = self._line_start(self._size - self._max_bytes // 4)
        gap = Gap(start, end, end - start + _MARKER_BYTES)
        # Told before it is made, so that no reader takes the zeros for text; on a full disk it
        # must be made first.
        with suppress(OSError):
            _write_gap(self._log, gap)
        try:
            self._punch(self._fd, start, end)
        except OSError as exc:
            if exc.errno not in _CANNOT_PUNCH:
                raise
            gap = self._copy_together(gap)
        self._write_marker(gap)
        self._gap = gap
        _write_gap(self._log, gap)

    def _line_start(self, position: int) -> int:
        """Return where the first line behind a position begins, if one does soon."""
        data = os.pread(self._fd, _BLOCK_BYTES, position)
        return position + data.find(b"\n") + 1

    def _write_marker(self, gap: Gap) -> None:
        text = (
            f"[{gap.left_out} bytes were left out here: more than {self._max_bytes} were printed]"
        )
        line = f"\n{text.ljust(_MARKER_BYTES - 2)}\n"
        os.pwrite(self._fd, line.encode(), self._marker)

    def _copy_together(self, gap: Gap) -> Gap:
        """Cut the file, and append its last part again."""
        before = self._gap.left_out if self._gap else _MARKER_BYTES
        tail = os.pread(self._fd, self._size - gap.end, gap.end)
        os.ftruncate(self._fd, gap.start)
        appending = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(appending, tail)
        finally:
            os.close(appending)
        self._size = os.fstat(self._fd).st_size
        return Gap(gap.start, gap.start, before + gap.end - gap.start)


def log_gap(log: Path) -> Gap | None:
    """Return what is missing in a log, ``None`` if all is there."""
    try:
        return Gap(**json.loads((log.parent / "log-gap.json").read_bytes()))
    except FileNotFoundError:
        return None


def read_log(log: Path, start: int, max_bytes: int) -> tuple[bytes, int]:
    """Read a part of a log, without what is missing in it.

    Args:
        log: The file.
        start: Where to begin: an offset in the file.
        max_bytes: The most to read.

    Returns:
        What is there, and the offset behind it; nothing where the log ends.

    Raises:
        FileNotFoundError: Nothing was printed yet.
    """
    with log.open("rb", buffering=0) as file:
        while True:
            gap = log_gap(log)
            begin, length = start, max_bytes
            if gap is not None and gap.start <= start < gap.end:
                begin = gap.end
            elif gap is not None and start < gap.start:
                length = min(max_bytes, gap.start - start)
            data = os.pread(file.fileno(), length, begin)
            if log_gap(log) == gap:  # else it may have grown over what was just read
                return data, begin + len(data)


def _write_gap(log: Path, gap: Gap) -> None:
    temporary = log.parent / "log-gap.tmp"
    temporary.write_text(json.dumps(gap._asdict()))
    temporary.rename(log.parent / "log-gap.json")
