# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Raises what PyTorch raises when the GPU is lost to the process, in every way that calls run."""

import asyncio
import mmap
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webargs import fields

import deepaas
from tests.integration.signals import of_the_test

HOW = os.environ["HOW_CALLS_RUN"]
signals = of_the_test()
library: mmap.mmap | None = None
LOST = (
    "CUDA error: device-side assert triggered\n"
    "CUDA kernel errors might be asynchronously reported at some other API call."
)


def warm() -> None:
    """Map a file of the name of the driver's library, and leave a thread behind that never ends."""
    global library
    path = Path(os.environ["TMPDIR_OF_MODEL"]) / "libcuda.so.1"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("rb") as file:
        library = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    threading.Thread(target=time.sleep, args=(3600,)).start()


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def answer(how: str) -> int:
    if how == "lost":
        raise RuntimeError(LOST)
    if how == "quoted":
        raise deepaas.InvalidInput(LOST)
    return os.getpid()


def items(how: str) -> Iterator[int]:
    yield os.getpid()
    yield answer(how)


async def answer_later(how: str) -> int:
    if how == "waits":
        signals.note("waits")
        while not signals.is_allowed("go"):  # noqa: ASYNC110 - a file, nothing tells of it
            await asyncio.sleep(0.01)
    return answer(how)


def predict_batch(calls: list[dict[str, Any]]) -> list[int]:
    return [answer(call["how"]) for call in calls]


match HOW:
    case "in a stream":
        predict = items
    case "asynchronously":
        predict = answer_later  # type: ignore[assignment]  # one of several
    case "in batches":
        batch = deepaas.Batch(max_size=8)
        del answer_later
    case "alone":
        predict = answer  # type: ignore[assignment]  # one of several
