# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Messages from a worker to the server through shared memory: a ring with one writer, one reader.

What the worker has put in is there for the server even after the worker's death, so that it need
not be told of every message at once: many share one wake-up. Standard library only.
"""

import mmap
import struct

RING_BYTES = 256 * 1024
#: A longer message goes another way.
MAX_MESSAGE_BYTES = RING_BYTES // 8

_HEAD, _TAIL, _TOLD = 0, 8, 16
_DATA_AT = 64
_ROOM = RING_BYTES - _DATA_AT
_U64 = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")
#: In the place of a length: go on at the beginning.
_WRAP = 0xFFFFFFFF


class Ring:
    """One side of the ring; positions only grow, and their rest by its size is the place.

    Every length starts at a multiple of four, so that there is always room for the mark that
    says "go on at the beginning".
    """

    def __init__(self, memory: mmap.mmap, offset: int) -> None:
        self._memory = memory
        self._offset = offset
        self._data_at = offset + _DATA_AT
        #: Each side's own position; the other's is read from the memory.
        self._head = self._get(_HEAD)
        self._tail = self._get(_TAIL)

    def _get(self, field: int) -> int:
        value: int = _U64.unpack_from(self._memory, self._offset + field)[0]
        return value

    def put(self, data: bytes) -> bool:
        """Add a message (the worker); false if there is no room for it now, or never."""
        size = len(data)
        if size > MAX_MESSAGE_BYTES:
            return False
        needed = (_LENGTH.size + size + 3) & ~3
        at = self._tail % _ROOM
        skipped = _ROOM - at if needed > _ROOM - at else 0
        if self._tail + skipped + needed - self._get(_HEAD) > _ROOM:
            return False
        if skipped:
            _LENGTH.pack_into(self._memory, self._data_at + at, _WRAP)
            at = 0
        start = self._data_at + at
        _LENGTH.pack_into(self._memory, start, size)
        self._memory[start + _LENGTH.size : start + _LENGTH.size + size] = data
        self._tail += skipped + needed
        # Last: what stands before the tail is whole, whenever this process ends.
        _U64.pack_into(self._memory, self._offset + _TAIL, self._tail)
        return True

    def take(self) -> bytes | None:
        """Remove and return the oldest message (the server); ``None`` if there is none."""
        if self._head == self._get(_TAIL):
            return None
        at = self._head % _ROOM
        size = _LENGTH.unpack_from(self._memory, self._data_at + at)[0]
        if size == _WRAP:
            self._head += _ROOM - at
            at = 0
            size = _LENGTH.unpack_from(self._memory, self._data_at)[0]
        start = self._data_at + at + _LENGTH.size
        data = self._memory[start : start + size]
        self._head += (_LENGTH.size + size + 3) & ~3
        _U64.pack_into(self._memory, self._offset + _HEAD, self._head)
        return data

    @property
    def has_unread(self) -> bool:
        """Whether the server has not taken everything yet."""
        return self._get(_HEAD) != self._get(_TAIL)

    def claim_telling(self) -> bool:
        """Whether the worker has to wake the server; true once until the server has looked."""
        if self._memory[self._offset + _TOLD]:
            return False
        self._memory[self._offset + _TOLD] = 1
        return True

    def looked(self) -> None:
        """Note that the server looks now, and is to be woken for what comes later."""
        self._memory[self._offset + _TOLD] = 0
