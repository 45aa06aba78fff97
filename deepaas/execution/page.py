# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The memory that a worker shares with the server: what it runs, and what it has answered.

A worker notes each call before it begins it; the server reads whenever it likes. A note survives
the process, takes no system call, and cannot be lost in a pipe. Finished answers lie in a ring
behind the notes (:mod:`deepaas.execution.ring`) and survive the process as well. Standard library
only.

Each value has one writer. Values of more than a byte are aligned words that are written and read
whole, by way of a view of words: :mod:`struct` moves one byte after the other unless its format is
a native one, and the other side would see half of a number.
"""

import mmap
import os
import time
from typing import NamedTuple

from deepaas.execution.ring import RING_BYTES, Ring
from deepaas.execution.tallies import TALLY_WORDS, Tallies

#: The most calls that one worker may run at the same time; as many as a model may ask for.
MAX_SLOTS = 1024

_NO_CALL = 0
#: Bytes; the first is written by the worker, the second by the server.
_RECEIVING, _STOPPING = 0, 32
#: Words of eight bytes; written by the worker.
_SLOTS_USED = 1
#: The first word of the first slot, and how many words each has.
_SLOTS_AT, _SLOT_WORDS = 8, 4
#: Words of a slot. The server writes how much it has passed on, and the id to cancel.
_ID, _STARTED, _PASSED_ON, _CANCELLED = 0, 1, 2, 3
_RING_AT = 64 * 1024
#: The first word of what the worker has counted.
_TALLIES_AT = _RING_AT // 8 - TALLY_WORDS
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
        with memoryview(self._memory) as memory:
            self._words = memory[:_RING_AT].cast("Q")
            self._times = memory[:_RING_AT].cast("d")
        #: What the worker has counted.
        self.tallies = Tallies(self._words[_TALLIES_AT:], self._times[_TALLIES_AT:])
        #: Answers on their way from the worker to the server.
        self.ring = Ring(self._memory, _RING_AT)

    @staticmethod
    def create() -> int:
        """Return the descriptor of a new, empty page; its memory is taken when it is used."""
        fd = os.memfd_create("deepaas-page", os.MFD_CLOEXEC)
        os.ftruncate(fd, PAGE_BYTES)
        return fd

    def close(self) -> None:
        """Unmap the page; may be called twice."""
        self.ring.close()
        self.tallies.close()
        self._words.release()
        self._times.release()
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
        words, at = self._words, _SLOTS_AT + slot * _SLOT_WORDS
        # The id last: who sees it sees this call's start, and not that of one long gone.
        self._times[at + _STARTED] = started_s
        words[at] = call_id
        if slot >= words[_SLOTS_USED]:
            words[_SLOTS_USED] = slot + 1

    def end(self, slot: int = 0) -> None:
        """Note that the call in a slot has been answered, and count how long that took."""
        at = _SLOTS_AT + slot * _SLOT_WORDS
        self.tallies.ran.add(time.monotonic() - self._times[at + _STARTED])
        self._words[at] = _NO_CALL

    @property
    def running(self) -> list[Running]:
        """The calls begun and not ended."""
        words, times = self._words, self._times
        found = []
        # Not beyond the end, whatever a model has written over it.
        for slot in range(min(words[_SLOTS_USED], MAX_SLOTS)):
            at = _SLOTS_AT + slot * _SLOT_WORDS
            call_id = words[at]
            if call_id != _NO_CALL:
                found.append(Running(call_id, times[at + _STARTED], slot))
        return found

    def cancel(self, slot: int, call_id: int) -> None:
        """Ask the worker to end a call early, if it still runs in this slot."""
        self._words[_SLOTS_AT + slot * _SLOT_WORDS + _CANCELLED] = call_id

    def is_cancelled(self, slot: int, call_id: int) -> bool:
        """Whether the server asked for the early end of this call."""
        return self._words[_SLOTS_AT + slot * _SLOT_WORDS + _CANCELLED] == call_id

    def set_passed_on(self, slot: int, count: int) -> None:
        """Note how many bytes of a stream have gone on to the client since it began."""
        self._words[_SLOTS_AT + slot * _SLOT_WORDS + _PASSED_ON] = count

    def passed_on(self, slot: int) -> int:
        """Return how many bytes of the slot's stream have gone on to the client.

        The worker sets it to 0 before it says that a stream begins; the server only later.
        """
        return self._words[_SLOTS_AT + slot * _SLOT_WORDS + _PASSED_ON]
