# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a worker counts is seen by the server, and survives the worker."""

import asyncio
import os
import time
from dataclasses import replace

import pytest

from deepaas.errors import QueueFull, TimedOut, WorkerDied
from deepaas.execution.base import PoolLimits
from deepaas.execution.messages import Answer, Call, Failure
from deepaas.execution.page import MAX_SLOTS, CallPage
from deepaas.execution.stats import WorkerEnd
from deepaas.execution.tallies import NOTHING
from tests.unit.execution.fakes import DESCRIPTION, HandWorker
from tests.unit.execution.scene import scene
from tests.unit.parts import until


def test_both_sides_see_the_same() -> None:
    """And no slot of a call lies where something is counted."""
    fd = CallPage.create()
    worker, server = CallPage(fd), CallPage(fd)
    os.close(fd)
    worker.begin(7, time.monotonic() - 3.0, MAX_SLOTS - 1)
    assert server.tallies.read() == NOTHING
    worker.tallies.waited.add(0.2)
    worker.tallies.batches.add(64)
    worker.end(MAX_SLOTS - 1)
    waited, ran, batches = server.tallies.read()
    assert (waited.number, waited.total) == (1, 0.2)
    assert ran.number == 1
    assert 3.0 <= ran.total < 60.0
    assert (batches.number, batches.total) == (1, 64.0)
    assert server.running == []
    for page in (worker, server):
        page.close()
        page.close()


def fail(worker: HandWorker, call: Call) -> None:
    """Say that the model raised."""
    worker.control.send(Answer(call.id, failure=Failure("ValueError", "no")))
    worker.page.end()


async def test_calls_are_counted_by_their_end() -> None:
    async with scene() as s:
        (worker,) = s.workers
        good, bad, dropped = [await s.call() for _ in range(3)]
        worker.finish(worker.take())
        await good
        fail(worker, worker.take())
        await bad
        dropped.cancel()
        await asyncio.wait({dropped})
        doomed = await s.call()
        worker.take()
        stats = s.pool.stats
        assert (stats.waiting, stats.running) == (0, 1)
        assert (stats.workers["ready"], stats.workers["loading"]) == (1, 0)
        worker.die()
        with pytest.raises(WorkerDied):
            await doomed
        stats = s.pool.stats
        assert stats.calls == {
            "answered": 1,
            "failed": 1,
            "dropped": 1,
            "killed": 1,
            "refused": 0,
            "timed_out": 0,
        }
        # What the dead one had counted is not lost with it.
        assert stats.tallied.ran.number == 2
        assert stats.worker_ends == dict.fromkeys(map(str, WorkerEnd), 0) | {"died": 1}
        assert stats.workers["loading"] == 1


async def test_calls_that_are_refused_or_late_are_counted_once() -> None:
    limits = PoolLimits(max_queue=0, timeout_s=0.001)
    async with scene(limits=limits) as s:
        (worker,) = s.workers
        late = await s.call()
        worker.take()
        refused = await s.call()
        with pytest.raises(QueueFull):
            await refused
        with pytest.raises(TimedOut):
            await late
        assert worker.stopped_s == 0
        worker.die()
        await asyncio.sleep(0)
        assert {name: n for name, n in s.pool.stats.calls.items() if n} == {
            "refused": 1,
            "timed_out": 1,
        }
        assert s.pool.stats.worker_ends["timeout"] == 1


async def test_workers_are_counted_by_what_ended_them() -> None:
    async with scene() as s:
        renewing = asyncio.create_task(s.pool.replace_workers())
        await until(lambda: len(s.workers) == 2)
        s.workers[1].load(replace(DESCRIPTION))
        await renewing
        s.workers[0].die(0)
        assert s.pool.stats.worker_ends["replaced"] == 1
        s.workers[1].die()
        await until(lambda: len(s.workers) == 3)
        s.workers[2].fail("no such file")
        await asyncio.sleep(0)
        assert s.pool.stats.worker_ends["not_loaded"] == 1
