# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The page of memory in which a worker notes what it runs, for the server to read after its death.

A worker writes before it begins a call; the server reads whenever it likes. A note survives the
process, takes no system call, and cannot be lost in a pipe. Standard library only.
"""

import mmap
import os
import struct
from typing import NamedTuple

PAGE_BYTES = 4096
_RECEIVING = struct.Struct("<B")
# Offset 8 keeps the eight-byte values aligned, so that none is ever seen half written.
_RUNNING = struct.Struct("<Qd")
_RUNNING_OFFSET = 8
_STOPPING_OFFSET = 1
_NO_CALL = 0


class Running(NamedTuple):
    """The call that a worker has begun and not answered."""

    call_id: int
    #: ``time.monotonic()``, which all processes of one machine share.
    started_s: float


class CallPage:
    """One worker's page; call ids start at 1.

    ``receiving`` is set from just before a worker asks the kernel for a call until it has noted
    what came. While it is clear, everything the worker took stands in the page or is answered, so
    a call that stands nowhere was taken by somebody else.
    """

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, PAGE_BYTES)

    @staticmethod
    def create() -> int:
        """Return the descriptor of a new, empty page."""
        fd = os.memfd_create("deepaas-page", os.MFD_CLOEXEC)
        os.ftruncate(fd, PAGE_BYTES)
        return fd

    def close(self) -> None:
        """Unmap the page."""
        self._memory.close()

    def set_receiving(self, receiving: bool) -> None:
        """Note that a call may be taken from the queue now, or that this is over."""
        _RECEIVING.pack_into(self._memory, 0, receiving)

    @property
    def is_receiving(self) -> bool:
        """Whether the worker may hold a call that it has not noted yet."""
        return bool(self._memory[0])

    def request_stop(self) -> None:
        """Ask the worker to take no more calls (the server's only note in the page)."""
        self._memory[_STOPPING_OFFSET] = 1

    @property
    def is_stopping(self) -> bool:
        """Whether the server asked the worker to take no more calls."""
        return bool(self._memory[_STOPPING_OFFSET])

    def begin(self, call_id: int, started_s: float) -> None:
        """Note the call that begins now."""
        _RUNNING.pack_into(self._memory, _RUNNING_OFFSET, call_id, started_s)

    def end(self) -> None:
        """Note that the call has been answered."""
        _RUNNING.pack_into(self._memory, _RUNNING_OFFSET, _NO_CALL, 0.0)

    @property
    def running(self) -> Running | None:
        """The call begun and not ended, or ``None``."""
        call_id, started_s = _RUNNING.unpack_from(self._memory, _RUNNING_OFFSET)
        return Running(call_id, started_s) if call_id != _NO_CALL else None
