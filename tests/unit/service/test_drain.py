# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""At the end what was taken is answered, nothing new is, and nobody waits longer than allowed."""

import asyncio

import pytest

from deepaas.errors import Unavailable, WorkerDied
from deepaas.service import Drain
from tests.unit.execution.fakes import HandWorker
from tests.unit.execution.scene import Scene, scene
from tests.unit.parts import until


def drain(s: Scene, force: asyncio.Event, *, grace_s: float = 60.0) -> "asyncio.Task[None]":
    return asyncio.create_task(Drain({"cat": s.pool}).run(grace_s=grace_s, force=force))


async def leave(worker: HandWorker) -> float | None:
    """Wait until a worker is told to end, end, and return the grace that it was given."""
    await until(lambda: worker.stopped_s is not None)
    worker.die(0)
    return worker.stopped_s


async def test_calls_that_were_taken_are_answered_and_new_ones_are_refused() -> None:
    async with scene() as s:
        running, queued = await s.call(), await s.call()
        first = s.workers[0].take()
        draining = drain(s, asyncio.Event())
        await asyncio.sleep(0)
        assert s.pool.reason == "The service is shutting down."
        with pytest.raises(Unavailable, match="shutting down"):
            await (await s.call())
        s.workers[0].finish(first, b"1")
        s.workers[0].finish(await s.look(s.workers[0]), b"2")
        # One that runs nothing gets a moment to put its things away.
        assert await leave(s.workers[0])
        await draining
        assert [(await each).answer.body for each in (running, queued)] == [b"1", b"2"]


@pytest.mark.parametrize("how", ["force", "grace"])
async def test_what_is_left_ends_with_its_worker(how: str) -> None:
    async with scene() as s:
        running, queued = await s.call(), await s.call()
        s.workers[0].take()
        force = asyncio.Event()
        draining = drain(s, force, grace_s=60.0 if how == "force" else 0.02)
        await asyncio.sleep(0)
        if how == "force":
            force.set()
        assert await leave(s.workers[0]) == 0
        await draining
        with pytest.raises(WorkerDied):
            await running
        with pytest.raises(Unavailable, match="shutting down"):
            await queued


async def test_an_idle_service_ends_at_once() -> None:
    async with scene(2) as s:
        draining = drain(s, asyncio.Event())
        for worker in s.workers:
            assert await leave(worker)
        await draining
