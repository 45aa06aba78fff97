# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A pool whose workers a test moves by hand."""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from deepaas.execution.base import PoolLimits, Result
from deepaas.execution.messages import Call
from deepaas.execution.pool import Pool
from deepaas.records import ModelDescription
from tests.unit.execution.fakes import DESCRIPTION, SOURCE, HandExecutor, HandWorker
from tests.unit.parts import open_fds, until


@dataclass
class Scene:
    """A pool and the workers that a test moves."""

    pool: Pool
    executor: HandExecutor
    loaded: list[ModelDescription]
    released: list[int] = field(default_factory=list)
    calls: list["asyncio.Task[Result]"] = field(default_factory=list)

    @property
    def workers(self) -> list[HandWorker]:
        return self.executor.workers

    async def call(self, **options: Any) -> "asyncio.Task[Result]":
        """Call, as a client would, and see it handed out or queued."""
        number = len(self.calls)
        task = asyncio.create_task(
            self.pool.call(
                "predict",
                request_id=f"r{number}",
                release=lambda: self.released.append(number),
                **options,
            )
        )
        self.calls.append(task)
        await asyncio.sleep(0)
        return task

    async def look(self, worker: HandWorker) -> Call:
        """Wait until there is a call to take, and begin it."""
        call: Call | None = None

        def took() -> bool:
            nonlocal call
            try:
                call = worker.take()
            except BlockingIOError:
                worker.page.set_receiving(False)
                return False
            return True

        await until(took)
        assert call is not None
        return call

    async def die(self, worker: HandWorker) -> None:
        """Wait until a worker was killed by the server, and die."""
        await until(lambda: worker.stopped_s == 0)
        worker.die()

    async def ready(self, count: int = 1) -> None:
        """Wait until so many workers are ready."""
        await until(lambda: self.pool.ready_workers == count)

    async def rest(self) -> None:
        """Wait past every search for what a death has lost."""
        await asyncio.sleep(0.02)


@asynccontextmanager
async def scene(
    size: int = 1,
    *,
    load: bool = True,
    limits: PoolLimits | None = None,
    description: ModelDescription = DESCRIPTION,
) -> AsyncIterator[Scene]:
    """Open a pool of workers; at the end every call has ended, once, and nothing is left."""
    await asyncio.sleep(0)
    before = open_fds()
    executor = HandExecutor()
    loaded: list[ModelDescription] = []
    pool = Pool(
        SOURCE, executor=executor, size=size, warm=True, on_loaded=loaded.append, limits=limits
    )
    pool.start()
    there = Scene(pool, executor, loaded)
    try:
        if load:
            for worker in executor.workers:
                worker.load(description)
            await pool.wait_loaded()
        yield there
    finally:
        # Also where the test has failed: the next one would find what this one left open.
        await close(pool, executor, grace_s=1.0)
        await asyncio.gather(*there.calls, return_exceptions=True)
    assert sorted(there.released) == list(range(len(there.calls)))
    assert open_fds() == before


async def close(pool: Pool, executor: HandExecutor, *, grace_s: float = 0) -> None:
    """Close a pool, and let every worker end as it is told to."""
    closing = asyncio.create_task(pool.close(grace_s=grace_s))
    await asyncio.sleep(0)
    for worker in executor.workers:
        if not worker.is_gone:
            worker.die(0)
    await closing


def readable(worker: HandWorker) -> bool:
    """Whether there is a call to take."""
    return bool(select.select([worker.calls], [], [], 0)[0])


async def served(worker: HandWorker, tasks: "list[asyncio.Task[Result]]") -> None:
    """Let a worker answer all that comes until these calls are done."""

    def serve() -> bool:
        worker.serve()
        return all(task.done() for task in tasks)

    await until(serve)
