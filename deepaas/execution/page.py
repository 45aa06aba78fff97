# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The memory that a worker shares with the server: what it runs, and what it has answered.

A worker notes each call before it begins it; the server reads whenever it likes. A note survives
the process, takes no system call, and cannot be lost in a pipe. Finished answers lie in a ring
behind the notes (:mod:`deepaas.execution.ring`) and survive the process as well. Standard library
only.

Each byte has one writer. Values of eight bytes are aligned, so that none is seen half written.
"""

import mmap
import os
import struct
from typing import NamedTuple

from deepaas.execution.ring import RING_BYTES, Ring

#: The most calls that one worker may run at the same time; as many as a model may ask for.
MAX_SLOTS = 1024

_NO_CALL = 0
#: Written by the worker.
_RECEIVING, _SLOTS_USED = 0, 4
#: Written by the server.
_STOPPING = 32
_SLOTS_AT = 64
#: Call id, start, and behind them, written by the server, bytes passed on and the id to cancel.
_CALL = struct.Struct("<Qd")
_PASSED_ON, _CANCELLED = 16, 24
_SLOT_BYTES = 32
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_RING_AT = 64 * 1024
PAGE_BYTES = _RING_AT + RING_BYTES


class Running(NamedTuple):
    """A call that a worker has begun and not answered."""

    call_id: int
    #: ``time.monotonic()``, which all processes of one machine share.
    started_s: float
    slot: int = 0


class CallPage:
    """One worker's page; call ids start at 1.

    ``receiving`` is set from just before a worker asks the kernel for a call until it has noted
    what came. While it is clear, everything the worker took stands in the page or is answered, so
    a call that stands nowhere was taken by somebody else.
    """

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, PAGE_BYTES)
        self._used = _U32.unpack_from(self._memory, _SLOTS_USED)[0]
        #: Answers on their way from the worker to the server.
        self.ring = Ring(self._memory, _RING_AT)

    @staticmethod
    def create() -> int:
        """Return the descriptor of a new, empty page; its memory is taken when it is used."""
        fd = os.memfd_create("deepaas-page", os.MFD_CLOEXEC)
        os.ftruncate(fd, PAGE_BYTES)
        return fd

    def close(self) -> None:
        """Unmap the page."""
        self._memory.close()

    def set_receiving(self, receiving: bool) -> None:
        """Note that a call may be taken from the queue now, or that this is over."""
        self._memory[_RECEIVING] = receiving

    @property
    def is_receiving(self) -> bool:
        """Whether the worker may hold a call that it has not noted yet."""
        return bool(self._memory[_RECEIVING])

    def request_stop(self) -> None:
        """Ask the worker to take no more calls."""
        self._memory[_STOPPING] = 1

    @property
    def is_stopping(self) -> bool:
        """Whether the server asked the worker to take no more calls."""
        return bool(self._memory[_STOPPING])

    def begin(self, call_id: int, started_s: float, slot: int = 0) -> None:
        """Note a call that begins now, in a slot below :data:`MAX_SLOTS` that is free."""
        if slot >= self._used:
            self._used = slot + 1
            _U32.pack_into(self._memory, _SLOTS_USED, self._used)
        _CALL.pack_into(self._memory, _SLOTS_AT + slot * _SLOT_BYTES, call_id, started_s)

    def end(self, slot: int = 0) -> None:
        """Note that the call in a slot has been answered."""
        _CALL.pack_into(self._memory, _SLOTS_AT + slot * _SLOT_BYTES, _NO_CALL, 0.0)

    @property
    def running(self) -> list[Running]:
        """The calls begun and not ended."""
        found = []
        for slot in range(_U32.unpack_from(self._memory, _SLOTS_USED)[0]):
            call_id, started_s = _CALL.unpack_from(self._memory, _SLOTS_AT + slot * _SLOT_BYTES)
            if call_id != _NO_CALL:
                found.append(Running(call_id, started_s, slot))
        return found

    def cancel(self, slot: int, call_id: int) -> None:
        """Ask the worker to end a call early, if it still runs in this slot."""
        _U64.pack_into(self._memory, _SLOTS_AT + slot * _SLOT_BYTES + _CANCELLED, call_id)

    def is_cancelled(self, slot: int, call_id: int) -> bool:
        """Whether the server asked for the early end of this call."""
        found = _U64.unpack_from(self._memory, _SLOTS_AT + slot * _SLOT_BYTES + _CANCELLED)[0]
        return bool(found == call_id)

    def set_passed_on(self, slot: int, count: int) -> None:
        """Note how many bytes of a stream have gone on to the client since it began."""
        _U64.pack_into(self._memory, _SLOTS_AT + slot * _SLOT_BYTES + _PASSED_ON, count)

    def passed_on(self, slot: int) -> int:
        """Return how many bytes of the slot's stream have gone on to the client.

        The worker sets it to 0 before it says that a stream begins; the server only later.
        """
        found: int = _U64.unpack_from(self._memory, _SLOTS_AT + slot * _SLOT_BYTES + _PASSED_ON)[0]
        return found
