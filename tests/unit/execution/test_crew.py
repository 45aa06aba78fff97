# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""There are always as many workers as there should be, whatever ends, fails or is asked for."""

import asyncio

import pytest

from deepaas.errors import ModelLoadError, Unavailable, WorkerDied
from deepaas.execution import crew
from deepaas.execution.messages import Answer, Closing, Failure
from deepaas.execution.pool import Pool
from tests.unit.execution.fakes import SOURCE, HandExecutor
from tests.unit.execution.scene import Scene, close, scene, served
from tests.unit.parts import until


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(crew, "_LOOK_S", 0.005)


@pytest.fixture
def _longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long that none ends before the test has looked, also on a busy machine."""
    monkeypatch.setattr(crew, "_FIRST_BACKOFF_S", 0.5)


# Crash loops


async def test_workers_that_end_before_they_answer_come_back_more_and_more_slowly() -> None:
    async with scene() as s:
        for number in range(5):
            s.workers[number].die()
            s.workers[number + 1].load()
            await s.ready()
        s.workers[5].die()
        assert len(s.workers) == 6
        assert "end again and again before they answer" in (s.pool.reason or "")
        with pytest.raises(Unavailable):
            await (await s.call())
        # It is tried again by itself, and one that answers ends the matter.
        await until(lambda: len(s.workers) == 7)
        s.workers[6].load()
        await s.ready()
        assert s.pool.reason is None
        await served(s.workers[6], [await s.call()])
        s.workers[6].die()
        assert len(s.workers) == 8


async def test_workers_that_answer_before_they_end_come_back_at_once() -> None:
    async with scene() as s:
        for number in range(20):
            await served(s.workers[number], [await s.call()])
            s.workers[number].die()
            assert len(s.workers) == number + 2
            s.workers[number + 1].load()
            await s.ready()


@pytest.mark.usefixtures("_longer_pauses")
async def test_workers_that_only_fail_come_back_more_and_more_slowly() -> None:
    failure = Failure("RuntimeError", "no GPU")
    async with scene() as s:
        for number in range(6):
            running = await s.call()
            worker = s.workers[number]
            call = await s.look(worker)
            worker.control.send(Answer(call.id, failure=failure))
            assert (await running).answer.failure == failure
            worker.page.end(0)
            worker.control.send(Closing("no GPU"))
            await until(lambda worker=worker: worker.page.is_stopping)  # type: ignore[misc]
            worker.die(0)
            if number < 5:
                assert len(s.workers) == number + 2
                s.workers[number + 1].load()
                await s.ready()
        assert len(s.workers) == 6
        await until(lambda: len(s.workers) == 7)


async def test_a_worker_that_closes_down_is_replaced_while_its_calls_go_on() -> None:
    async with scene() as s:
        running = await s.call()
        call = await s.look(s.workers[0])
        s.workers[0].control.send(Closing("no GPU"))
        await until(lambda: len(s.workers) == 2)
        s.workers[1].load()
        await s.ready()
        await served(s.workers[1], [await s.call()])
        s.workers[0].finish(call, b"late")
        assert (await running).answer.body == b"late"
        # Threads of the model may keep the process, which runs nothing any more.
        await until(lambda: s.workers[0].stopped_s is not None)
        s.workers[0].die()
        assert len(s.workers) == 2


async def test_a_worker_that_closes_down_while_the_pool_does_is_not_replaced() -> None:
    async with scene() as s:
        closing = asyncio.create_task(s.pool.close(grace_s=1))
        await until(lambda: s.workers[0].page.is_stopping)
        s.workers[0].control.send(Closing("no GPU"))
        await asyncio.sleep(0.01)
        s.workers[0].die(0)
        await closing
        assert len(s.workers) == 1


# Replacement on request


def replace(s: Scene) -> "asyncio.Task[None]":
    return asyncio.create_task(s.pool.replace_workers())


def told(s: Scene) -> list[int]:
    """Which workers were told to end."""
    return [number for number, each in enumerate(s.workers) if each.page.is_stopping]


async def candidate(s: Scene, number: int) -> None:
    """Wait until the worker was started."""
    await until(lambda: len(s.workers) > number)


async def test_workers_are_replaced_one_by_one_and_none_is_missed() -> None:
    async with scene(2) as s:
        running = await s.call()
        call = s.workers[0].take()
        replacing = replace(s)
        await candidate(s, 2)
        assert told(s) == []
        s.workers[2].load()
        await candidate(s, 3)
        assert told(s) == [0]
        assert s.pool.ready_workers == 2
        s.workers[3].load()
        await replacing
        assert s.workers[1].page.is_stopping
        # What the old one runs goes on, however long it takes; nobody kills it.
        assert s.workers[0].stopped_s is None
        s.workers[0].finish(call, b"old")
        assert (await running).answer.body == b"old"
        for worker in s.workers[:2]:
            worker.die(0)
        assert len(s.workers) == 4
        assert s.pool.ready_workers == 2
        await served(s.workers[3], [await s.call()])


async def test_a_replacement_that_cannot_load_changes_nothing() -> None:
    async with scene(2) as s:
        replacing = replace(s)
        await candidate(s, 2)
        s.workers[2].fail("a syntax error")
        with pytest.raises(ModelLoadError, match="a syntax error") as caught:
            await replacing
        assert caught.value.traceback == "Traceback …"
        assert s.pool.reason is None
        assert s.pool.ready_workers == 2
        assert not any(worker.page.is_stopping for worker in s.workers[:2])
        await asyncio.sleep(0.05)  # past any pause
        assert len(s.workers) == 3


async def test_a_replacement_that_ends_without_a_word_changes_nothing() -> None:
    async with scene() as s:
        replacing = replace(s)
        await candidate(s, 1)
        s.workers[1].die(-9)
        with pytest.raises(ModelLoadError, match="ended before it was ready"):
            await replacing
        assert s.pool.ready_workers == 1
        assert len(s.workers) == 2


async def test_a_replacement_that_ends_as_soon_as_it_is_ready_changes_nothing() -> None:
    async with scene() as s:
        replacing = replace(s)
        await candidate(s, 1)
        s.workers[1].load()
        s.workers[1].die(-9)  # which reads what it had said before
        with pytest.raises(ModelLoadError, match="ended at once"):
            await replacing
        assert not s.workers[0].page.is_stopping
        assert s.pool.ready_workers == 1
        assert len(s.workers) == 2
        await served(s.workers[0], [await s.call()])


async def test_a_worker_that_dies_while_its_replacement_loads_is_not_replaced_twice() -> None:
    async with scene() as s:
        replacing = replace(s)
        await candidate(s, 1)
        s.workers[0].die()
        assert len(s.workers) == 3  # for the replacement may fail
        s.workers[1].load()
        await replacing
        assert s.workers[2].page.is_stopping
        s.workers[2].die(0)
        assert len(s.workers) == 3
        assert s.pool.ready_workers == 1
        await served(s.workers[1], [await s.call()])


async def test_a_worker_that_dies_while_its_replacement_fails_comes_back() -> None:
    async with scene() as s:
        replacing = replace(s)
        await candidate(s, 1)
        s.workers[0].die()
        s.workers[1].fail("a syntax error")
        with pytest.raises(ModelLoadError):
            await replacing
        s.workers[2].load()
        await s.ready()
        assert len(s.workers) == 3


@pytest.mark.usefixtures("_longer_pauses")
async def test_a_place_that_waits_for_its_next_start_is_taken_by_a_replacement() -> None:
    async with scene() as s:
        s.workers[0].die()
        s.workers[1].fail("the disk is away")  # a pause begins
        replacing = replace(s)
        await candidate(s, 2)
        s.workers[2].load()
        await replacing
        assert s.pool.ready_workers == 1
        await asyncio.sleep(0.6)
        assert len(s.workers) == 3
        await served(s.workers[2], [await s.call()])


async def test_two_replacements_at_once_take_turns() -> None:
    async with scene() as s:
        first, second = replace(s), replace(s)
        await candidate(s, 1)
        await asyncio.sleep(0.02)
        assert len(s.workers) == 2
        s.workers[1].load()
        await first
        await candidate(s, 2)
        s.workers[2].load()
        await second
        assert [worker.page.is_stopping for worker in s.workers] == [True, True, False]
        for worker in s.workers[:2]:
            worker.die(0)
        assert s.pool.ready_workers == 1


async def test_a_replacement_in_the_middle_of_which_the_pool_closes() -> None:
    async with scene(2) as s:
        replacing = replace(s)
        await candidate(s, 2)
        s.workers[2].load()
        await candidate(s, 3)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        for worker in s.workers:
            worker.die(0)
        await closing
        with pytest.raises(ModelLoadError):
            await replacing
        assert len(s.workers) == 4


async def test_long_calls_on_workers_that_leave_do_not_keep_new_calls_waiting() -> None:
    """Each reload leaves a worker behind that runs on; they are no part of who is served."""
    async with scene() as s:
        for number in range(5):
            await s.call()
            await s.look(s.workers[number])
            replacing = replace(s)
            await candidate(s, number + 1)
            s.workers[number + 1].load()
            await replacing
        task = await s.call()
        await served(s.workers[5], [task])
        assert not any(call.done() for call in s.calls[:5])


async def test_a_worker_that_leaves_and_is_killed_is_not_replaced() -> None:
    async with scene() as s:
        task = await s.call()
        s.workers[0].take()
        replacing = replace(s)
        await candidate(s, 1)
        s.workers[1].load()
        await replacing
        s.workers[0].die(-9)
        with pytest.raises(WorkerDied):
            await task
        assert len(s.workers) == 2


# Devices


async def test_devices_are_given_in_turn_and_stay_with_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    executor = HandExecutor()
    devices = ("cuda:0", "cuda:1", "cpu")
    pool = Pool(
        SOURCE, executor=executor, size=4, warm=True, on_loaded=lambda _: None, devices=devices
    )
    pool.start()
    for worker in executor.workers:
        worker.load()
    await pool.wait_loaded()
    executor.workers[1].die()
    given = [each.get("CUDA_VISIBLE_DEVICES") for each in executor.environments]
    assert given == ["0", "1", "", "0", "1"]
    await close(pool, executor)
