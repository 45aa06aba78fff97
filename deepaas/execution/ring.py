# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Messages from a worker to the server through shared memory: a ring with one writer, one reader.

What the worker has put in is there for the server even after the worker's death, so that it need
not be told of every message at once: many share one wake-up. Standard library only.
"""

import mmap

RING_BYTES = 256 * 1024
#: A longer message goes another way.
MAX_MESSAGE_BYTES = RING_BYTES // 8

#: Words of eight bytes: what the server has taken, what the worker has put.
_HEAD, _TAIL = 0, 1
#: A byte: whether the server has been told and has not looked since.
_TOLD = 16
_DATA_AT = 64
_ROOM = RING_BYTES - _DATA_AT
_LENGTH_BYTES = 4
#: In the place of a length: go on at the beginning.
_WRAP = 0xFFFFFFFF


class Ring:
    """One side of the ring; positions only grow, and their rest by its size is the place.

    Every length starts at a multiple of four, so that there is always room for the mark that
    says "go on at the beginning".
    """

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory = memory
        self._told_at = offset + _TOLD
        self._data_at = offset + _DATA_AT
        with memoryview(memory) as whole:
            # Written and read whole, which struct does not promise: see the page.
            self._positions = whole[offset : offset + _TOLD].cast("Q")
            self._lengths = whole[self._data_at : self._data_at + _ROOM].cast("I")
        #: Each side keeps its own position; the worker's idea of the server's may be old.
        self._head = self._positions[_HEAD]
        self._tail = self._positions[_TAIL]

    def close(self) -> None:
        """Let go of the memory, which can be unmapped then; may be called twice."""
        self._positions.release()
        self._lengths.release()

    def put(self, data: bytes) -> bool:
        """Add a message (the worker); false if there is no room for it now, or never."""
        size = len(data)
        if size > MAX_MESSAGE_BYTES:
            return False
        at = self._tail % _ROOM
        end = self._tail + ((size + _LENGTH_BYTES + 3) & ~3)
        wraps = end - self._tail > _ROOM - at
        if wraps:
            end += _ROOM - at
        if end - self._head > _ROOM:
            self._head = self._positions[_HEAD]
            if end - self._head > _ROOM:
                return False
        if wraps:
            self._lengths[at // _LENGTH_BYTES] = _WRAP
            at = 0
        self._lengths[at // _LENGTH_BYTES] = size
        start = self._data_at + at + _LENGTH_BYTES
        self._memory[start : start + size] = data
        self._tail = end
        # Last: what stands before the tail is whole, whenever this process ends.
        self._positions[_TAIL] = end
        return True

    def take(self) -> bytes | None:
        """Remove and return the oldest message (the server); ``None`` if there is none."""
        if self._head == self._positions[_TAIL]:
            return None
        at = self._head % _ROOM
        size = self._lengths[at // _LENGTH_BYTES]
        if size == _WRAP:
            self._head += _ROOM - at
            at = 0
            size = self._lengths[0]
        start = self._data_at + at + _LENGTH_BYTES
        data = self._memory[start : start + size]
        self._head += (size + _LENGTH_BYTES + 3) & ~3
        self._positions[_HEAD] = self._head
        return data

    @property
    def has_unread(self) -> bool:
        """Whether the server has not taken everything yet."""
        return self._positions[_HEAD] != self._positions[_TAIL]

    def claim_telling(self) -> bool:
        """Whether the worker has to wake the server; true once until the server has looked."""
        if self._memory[self._told_at]:
            return False
        self._memory[self._told_at] = 1
        return True

    def looked(self) -> None:
        """Note that the server looks now, and is to be woken for what comes later."""
        self._memory[self._told_at] = 0
