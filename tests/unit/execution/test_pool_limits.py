# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Calls are held to the limits of the queue, of time and of memory, and their clients are told."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest

from deepaas.errors import QueueFull, TimedOut, Unavailable, WorkerDied
from deepaas.execution import crew, sweep
from deepaas.execution.base import PoolLimits
from deepaas.execution.messages import Answer, memory_file
from tests.unit.execution.fakes import DESCRIPTION
from tests.unit.execution.scene import Scene, readable, scene, served
from tests.unit.parts import until

BATCHES = replace(DESCRIPTION, at_once=4)
ASYNC = replace(DESCRIPTION, at_once=4, is_async=True)
#: Short, for a test; nothing here depends on how long it is.
LIMIT_S = 0.05
TIMED = PoolLimits(timeout_s=LIMIT_S)


# The queue


@pytest.mark.parametrize(
    ("max_queue", "description", "taken"),
    [(0, DESCRIPTION, 2), (3, DESCRIPTION, 5), (0, BATCHES, 8), (5, BATCHES, 13)],
)
async def test_one_call_more_than_may_wait_is_refused_at_once(
    max_queue: int, description: Any, taken: int
) -> None:
    """Two workers; what they can begin does not count as waiting."""
    async with scene(2, limits=PoolLimits(max_queue), description=description) as s:
        tasks = [await s.call() for _ in range(taken)]
        for _ in range(2):
            with pytest.raises(QueueFull, match="calls wait already"):
                await (await s.call())
        assert not any(task.done() for task in tasks)
        await served(s.workers[0], tasks)
        await served(s.workers[0], [await s.call()])


async def test_a_queue_that_was_left_has_room_again() -> None:
    async with scene(limits=PoolLimits(2)) as s:
        first, *waiting = [await s.call() for _ in range(3)]
        s.workers[0].take()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        again = [await s.call() for _ in range(2)]
        assert not any(task.done() for task in again)
        with pytest.raises(QueueFull):
            await (await s.call())
        first.cancel()


async def test_calls_that_wait_for_a_model_that_loads_are_limited_too() -> None:
    async with scene(load=False, limits=PoolLimits(1)) as s:
        waiting = await s.call()
        with pytest.raises(QueueFull):
            await (await s.call())
        s.workers[0].load()
        await served(s.workers[0], [waiting])


# Time


async def test_a_call_that_runs_too_long_ends_with_its_worker_which_is_replaced() -> None:
    async with scene(limits=TIMED) as s:
        task = await s.call()
        s.workers[0].take()
        with pytest.raises(TimedOut, match=r"took longer than the limit of 0\.05 s") as caught:
            await task
        assert caught.value.limit_s == LIMIT_S
        assert s.released == []  # the call runs still, and may read its files
        await s.die(s.workers[0])
        assert s.released == [0]
        s.workers[1].load()
        await s.ready()
        await served(s.workers[1], [await s.call()])


async def test_calls_that_wait_too_long_are_told_and_never_run() -> None:
    """Both those in the queue and those at its front, which lie in the socket."""
    async with scene(load=False, limits=TIMED) as s:
        tasks = [await s.call() for _ in range(5)]
        for task in tasks:
            with pytest.raises(TimedOut, match="waited longer"):
                await task
        assert s.released == [0, 1, 2, 3, 4]
        s.workers[0].load()
        await s.ready()
        assert not readable(s.workers[0])
        assert not s.pool.is_busy


async def test_a_call_that_waited_long_and_runs_short_is_told_and_its_worker_lives() -> None:
    async with scene(load=False, limits=PoolLimits(timeout_s=2.0)) as s:
        task = await s.call()
        # Time enough, before the limit and before this long after it, for a busy machine.
        await asyncio.sleep(1.0)
        s.workers[0].load()
        call = await s.look(s.workers[0])
        with pytest.raises(TimedOut, match="took longer"):
            await task
        assert s.workers[0].stopped_s is None
        s.workers[0].finish(call)
        await until(lambda: not s.pool.is_busy)
        assert s.workers[0].stopped_s is None
        await served(s.workers[0], [await s.call()])


async def test_a_call_held_by_a_worker_that_stands_still_is_told() -> None:
    """It stands in no page: the worker was stopped between taking it and noting it."""
    async with scene(limits=TIMED) as s:
        task = await s.call()
        s.workers[0].grab()
        with pytest.raises(TimedOut):
            await task


async def test_a_model_has_a_limit_of_its_own() -> None:
    own = replace(DESCRIPTION, predict_timeout_s=LIMIT_S)
    async with scene(limits=PoolLimits(timeout_s=3600), description=own) as s:
        task = await s.call()
        s.workers[0].take()
        with pytest.raises(TimedOut, match=r"0\.05 s"):
            await task
        await s.die(s.workers[0])


async def test_a_model_may_ask_for_no_limit() -> None:
    async with scene(limits=TIMED, description=replace(DESCRIPTION, predict_timeout_s=0.0)) as s:
        task = await s.call()
        call = s.workers[0].take()
        await asyncio.sleep(4 * LIMIT_S)
        assert not task.done()
        s.workers[0].finish(call)
        await task


async def test_every_call_beside_one_that_ran_too_long_is_told_why() -> None:
    async with scene(limits=PoolLimits(timeout_s=30.0), description=BATCHES) as s:
        slow, *beside = [await s.call() for _ in range(3)]
        call, _ = s.workers[0].grab()
        s.workers[0].begin(call, ago_s=60.0)
        for slot in (1, 2):
            s.workers[0].take(slot)
        with pytest.raises(TimedOut):
            await slow
        await s.die(s.workers[0])
        for task in beside:
            with pytest.raises(WorkerDied, match="another call there ran longer than 30 s"):
                await task


async def test_an_async_call_is_cancelled_first_and_its_worker_goes_on() -> None:
    async with scene(limits=TIMED, description=ASYNC) as s:
        task = await s.call()
        call = s.workers[0].take(2)
        with pytest.raises(TimedOut):
            await task
        # The client waits since the call was accepted; it has run since it began, which is later.
        await until(lambda: s.workers[0].page.is_cancelled(2, call.id))
        s.workers[0].finish(call, slot=2)
        await until(lambda: not s.pool.is_busy)
        assert s.workers[0].stopped_s is None


async def test_an_async_call_that_cannot_be_cancelled_ends_with_its_worker_after_a_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "_ASYNC_GRACE_S", 0.3)
    async with scene(limits=TIMED, description=ASYNC) as s:
        task = await s.call()
        s.workers[0].take()
        with pytest.raises(TimedOut):
            await task
        assert s.workers[0].stopped_s is None
        await s.die(s.workers[0])


async def test_calls_that_run_too_long_again_and_again_do_not_stop_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They say nothing against the model: its workers come back at once, however often."""
    monkeypatch.setattr(crew, "_QUICK_REPLACEMENTS", 1)
    async with scene(limits=TIMED) as s:
        for number in range(4):
            task = await s.call()
            await s.look(s.workers[number])
            with pytest.raises(TimedOut):
                await task
            await s.die(s.workers[number])
            s.workers[number + 1].load()
            await s.ready()
        await served(s.workers[-1], [await s.call()])


# Clients that leave


def is_killed(s: Scene) -> bool:
    return s.workers[0].stopped_s == 0


async def leave(s: Scene, number: int) -> None:
    s.calls[number].cancel()
    await asyncio.gather(s.calls[number], return_exceptions=True)


async def test_a_call_that_nobody_waits_for_runs_on() -> None:
    async with scene() as s:
        await s.call()
        call = s.workers[0].take()
        await leave(s, 0)
        assert not s.workers[0].page.is_cancelled(0, call.id)
        assert s.workers[0].stopped_s is None
        assert s.released == []
        s.workers[0].finish(call)
        await until(lambda: s.released == [0])


async def test_a_call_that_nobody_waits_for_can_end_with_its_worker() -> None:
    async with scene(limits=PoolLimits(kill_abandoned=True)) as s:
        await s.call()
        s.workers[0].take()
        await leave(s, 0)
        assert s.workers[0].stopped_s == 0
        s.workers[0].die()
        assert s.released == [0]
        s.workers[1].load()
        await s.ready()
        await served(s.workers[1], [await s.call()])


async def test_a_worker_is_not_killed_while_somebody_waits_for_a_call_of_its_batch() -> None:
    async with scene(limits=PoolLimits(kill_abandoned=True), description=BATCHES) as s:
        for slot in range(3):
            await s.call()
            call = s.workers[0].take(slot)
        await leave(s, 0)
        await leave(s, 2)
        assert s.workers[0].page.is_cancelled(2, call.id)
        assert not is_killed(s)
        await leave(s, 1)
        assert is_killed(s)
        s.workers[0].die()


async def test_of_an_async_model_only_the_call_is_ended() -> None:
    async with scene(limits=PoolLimits(kill_abandoned=True), description=ASYNC) as s:
        await s.call()
        call = s.workers[0].take(1)
        await leave(s, 0)
        assert s.workers[0].page.is_cancelled(1, call.id)
        assert s.workers[0].stopped_s is None


async def test_an_answer_that_comes_as_its_client_leaves_leaves_no_descriptor() -> None:
    """The answer is there, and the one who waits has not run since."""
    async with scene() as s:
        task = await s.call()
        call = s.workers[0].take()
        fd = memory_file(b"body")
        s.workers[0].answer(call, b"", [fd])
        os.close(fd)
        for worker in s.pool._crew.workers:
            worker.read_answers()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The scene looks for descriptors at its end.


# Memory


async def test_a_worker_that_uses_too_much_memory_is_replaced() -> None:
    async with scene(limits=PoolLimits(memory_bytes=1000)) as s:
        task = await s.call()
        s.workers[0].take()
        s.executor.pids[0] = os.getpid()
        await s.die(s.workers[0])
        with pytest.raises(WorkerDied, match="bytes of memory; the limit is 1000"):
            await task
        s.workers[1].load()
        await s.ready()
        await served(s.workers[1], [await s.call()])


async def test_an_idle_worker_is_held_to_its_memory_too() -> None:
    async with scene(limits=PoolLimits(memory_bytes=1000)) as s:
        s.executor.pids[0] = os.getpid()
        await s.die(s.workers[0])
        await until(lambda: len(s.workers) == 2)


async def test_a_worker_below_the_limit_of_memory_stays() -> None:
    async with scene(limits=PoolLimits(memory_bytes=1 << 50)) as s:
        s.executor.pids[0] = os.getpid()
        for _ in range(3):
            await served(s.workers[0], [await s.call()])
        assert s.workers[0].stopped_s is None


# The ring


async def test_an_answer_that_nobody_was_told_of_is_found() -> None:
    """The worker told before, and goes on with a slow call: its answer must not wait for that."""
    async with scene() as s:
        first, second = await s.call(), await s.call()
        call = s.workers[0].take()
        s.workers[0].put(Answer(call.id, "text/plain", b"quick"))
        s.workers[0].take()
        assert (await first).answer.body == b"quick"
        assert not second.done()


async def test_a_worker_that_spoils_the_ring_is_ended_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as s:
        task = await s.call()
        s.workers[0].take()
        assert s.workers[0].page.ring.put(b"\xff nonsense")
        await s.die(s.workers[0])
        with pytest.raises(WorkerDied):
            await task
        assert caplog.text.count("The memory of a worker is damaged") == 1
        s.workers[1].load()
        await s.ready()
        await served(s.workers[1], [await s.call()])


# Refusing


async def test_a_pool_that_refuses_ends_what_it_took() -> None:
    async with scene() as s:
        tasks = [await s.call() for _ in range(6)]
        s.pool.refuse()
        assert s.pool.reason == "The service is shutting down."
        with pytest.raises(Unavailable, match="shutting down"):
            await (await s.call())
        assert s.pool.is_busy
        await served(s.workers[0], tasks)
        for task in tasks:
            assert (await task).answer.body
        assert not s.pool.is_busy
