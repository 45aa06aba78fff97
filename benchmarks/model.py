# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the measured servers run: the same functions in all of them.

Standard library only: each peer imports this in an environment of its own.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

#: What a prediction of the processor-bound model costs.
WORK_S = 0.020
#: What a batch costs, whatever its size up to :data:`BATCH_SIZE`.
BATCH_S = 0.005
BATCH_SIZE = 64
_device = threading.Lock()
_SPIN = 2000
_READ_BYTES = 256 * 1024


def echo(number: int, text: str) -> dict[str, Any]:
    """Do nothing: what is measured is the server."""
    return {"number": number, "text": text}


def corner(data: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Answer something of an array that shows that it has arrived whole."""
    return {"rows": len(data), "last": data[-1][-1]}


def size(file: BinaryIO) -> dict[str, Any]:
    """Read a file to its end, without keeping it, and answer how long it is."""
    buffer = memoryview(bytearray(_READ_BYTES))
    total = 0
    while count := file.readinto(buffer):  # type: ignore[attr-defined]  # not said of BinaryIO
        total += count
    return {"bytes": total}


def work(number: int) -> dict[str, Any]:
    """Keep a processor busy for :data:`WORK_S` of its own time, however many threads compete."""
    end_s = time.thread_time() + WORK_S
    while time.thread_time() < end_s:
        for _ in range(_SPIN):
            pass
    return {"number": number}


def batch(numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Answer up to :data:`BATCH_SIZE` calls in the time of one, as an accelerator does.

    The processor sleeps meanwhile: the device works, for one batch at a time.
    """
    with _device:
        time.sleep(BATCH_S)
    return [{"number": number} for number in numbers]


def stream(count: int) -> Iterator[dict[str, Any]]:
    """Yield small items as fast as they are taken."""
    for index in range(count):
        yield {"index": index}
