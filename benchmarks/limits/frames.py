# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the reference server and its worker say to each other: a length and a pickle."""

import pickle
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("<I")


def pack(message: object) -> bytes:
    """Make a frame."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Unpacker:
    """Cuts what has been read into messages; the peer is our own program, so pickle is safe."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Take what was read, and give every message that is complete."""
        self._data += data
        start = 0
        view = memoryview(self._data)
        try:
            while len(view) - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, start)
                end = start + _LENGTH.size + length
                if end > len(view):
                    break
                yield pickle.loads(view[start + _LENGTH.size : end])  # noqa: S301 - see the class
                start = end
        finally:
            view.release()
            del self._data[:start]
