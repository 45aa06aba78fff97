# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the measured servers run: the same functions in all of them.

Standard library only: each peer imports this in an environment of its own.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

#: What a prediction of the processor-bound model costs.
WORK_S = 0.020
#: What a batch costs, whatever its size up to :data:`BATCH_SIZE`.
BATCH_S = 0.005
BATCH_SIZE = 64
#: After so long a training says how far it is.
STEP_S = 0.1
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


def train(
    seconds: float,
    lines_per_s: float,
    mark: str,
    *,
    keep: Path | None,
    report: Callable[[int], object],
) -> int:
    """Keep a processor busy, or print, and say how far it is ten times a second.

    Args:
        seconds: For how long.
        lines_per_s: How much is printed; 0: it computes instead.
        mark: A file that is made first.
        keep: A file with what was done before, for one that was interrupted.
        report: Told what is done.

    Returns:
        How many steps were done in all.
    """
    Path(mark).touch()
    done = int(keep.read_text()) if keep is not None and keep.exists() else 0
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        _step(done, lines_per_s)
        done += 1
        if keep is not None:
            keep.with_suffix(".new").write_text(str(done))
            keep.with_suffix(".new").replace(keep)
        report(done)
    return done


def _step(done: int, lines_per_s: float) -> None:
    """Spend a step's time on printing, evenly, or on computing."""
    end_s = time.monotonic() + STEP_S
    printed = 0
    while time.monotonic() < end_s:
        if not lines_per_s:
            for _ in range(_SPIN):
                pass
        elif printed < lines_per_s * (STEP_S - (end_s - time.monotonic())):
            print(f"step {done}: the loss is {1 / (done + 1):.6f}, line {printed}", flush=True)
            printed += 1
        else:
            time.sleep(0.001)
