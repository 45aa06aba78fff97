# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Do what takes long on a slow disk, and may be left half done, in threads of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def run_apart(work: Callable[[], T]) -> T:
    """Run blocking work in a new thread; the process ends without waiting for it.

    The threads that all share are waited for, however long they take. A caller that is cancelled
    leaves the work to go on.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on it cannot be cancelled, only left

    def run() -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - the caller gets it
            done.set_exception(exc)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="apart", daemon=True).start()
    return await asyncio.wrap_future(done)
