# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Starts processes as multiprocessing does by itself; asked for a note, it stays with them."""

import multiprocessing
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {"note": fields.Str(load_default="")}


get_train_args = get_predict_args


def square(number: int) -> int:
    return number * number


def predict(note: str) -> Any:
    with multiprocessing.Pool(1) as pool:
        squares = pool.map(square, [7])
        if note:
            write_down(Path(note))
            while True:
                time.sleep(1)
        pool.close()
        pool.join()
    return [multiprocessing.get_start_method(), *squares]


def write_down(note: Path) -> None:
    """Write its id and which files of shared memory it uses, all of it or nothing."""
    # A semaphore is mapped by a name that it had before it got its own: the inode is the same.
    mapped = re.findall(r"(\d+) +/dev/shm/", Path("/proc/self/maps").read_text())
    used = [entry.path for entry in os.scandir("/dev/shm") if str(entry.inode()) in mapped]
    unfinished = note.with_suffix(".new")
    unfinished.write_text("\n".join([str(os.getpid()), *used]))
    unfinished.rename(note)


def train(note: str) -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return predict(note)
