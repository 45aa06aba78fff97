# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Work in a thread of its own gives its result, and holds no process back."""

import asyncio
import subprocess
import sys
import threading

import pytest

from deepaas.execution.apart import run_apart

_ENDS_BEFORE_ITS_WORK = """
import asyncio, threading
from deepaas.execution.apart import run_apart

async def main():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()

    task = asyncio.create_task(run_apart(work))
    await begun.wait()

asyncio.run(main())
"""


async def test_it_gives_what_the_work_returns_or_raises() -> None:
    assert await run_apart(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await run_apart(lambda: 1 // 0)


async def test_who_leaves_does_not_end_the_work() -> None:
    loop = asyncio.get_running_loop()
    begun, ended = asyncio.Event(), asyncio.Event()
    may_end = threading.Event()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait()
        loop.call_soon_threadsafe(ended.set)

    task = asyncio.create_task(run_apart(work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_end.set()
    await ended.wait()


def test_the_process_ends_without_it() -> None:
    subprocess.run([sys.executable, "-c", _ENDS_BEFORE_ITS_WORK], timeout=30, check=True)
