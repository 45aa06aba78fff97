# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every call ends, is run once, and waits behind no other; whatever the workers do.

The workers speak the real channel and note in the real page; the test moves them by hand, so that
every moment at which one can die is a test.
"""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from deepaas.errors import ModelLoadError, Unavailable, WorkerDied
from deepaas.execution.base import Result
from deepaas.execution.intake import Intake
from deepaas.execution.local import LocalExecutor
from deepaas.execution.messages import Call, memory_file
from deepaas.execution.pool import Pool
from deepaas.records import CallInput, ModelSource, SourceKind
from tests.unit.execution.fakes import DESCRIPTION, SOURCE, HandWorker
from tests.unit.execution.scene import readable, scene, served
from tests.unit.parts import until

# Death


async def test_a_call_that_had_begun_dies_with_its_worker_and_no_other_does() -> None:
    async with scene() as s:
        first, second, third = [await s.call() for _ in range(3)]
        s.workers[0].take()
        s.workers[0].die()
        with pytest.raises(WorkerDied):
            await first
        replacement = s.workers[1]
        replacement.load()
        for expected in (second, third):
            call = await s.look(replacement)
            replacement.finish(call, b"x")
            assert (await expected).answer.body == b"x"


async def test_an_idle_worker_that_dies_is_replaced() -> None:
    async with scene() as s:
        s.workers[0].die()
        assert s.pool.ready_workers == 0
        task = await s.call()
        s.workers[1].load()
        call = await s.look(s.workers[1])
        s.workers[1].finish(call)
        await task
        assert s.loaded == [DESCRIPTION] * 2


@pytest.mark.parametrize("noted", [False, True])
async def test_a_call_that_was_taken_and_not_begun_is_handed_out_again(noted: bool) -> None:
    """Its taker may still say that it is receiving, or not have said so yet."""
    async with scene(2) as s:
        task = await s.call(arguments={"a": 1})
        taken, _ = s.workers[0].grab()
        s.workers[0].page.set_receiving(noted)
        s.workers[0].die()
        again = await s.look(s.workers[1])
        assert again == taken
        s.workers[1].finish(again, b"x")
        assert (await task).answer.body == b"x"


async def test_a_call_that_was_handed_out_again_keeps_its_body() -> None:
    async with scene(2) as s:
        fd = memory_file(b"{}")
        task = await s.call(given=CallInput(), body_fd=fd)
        for worker in s.workers[:2]:
            call, fds = worker.grab()
            assert call.has_body_fd
            assert os.pread(fds[0], 10, 0) == b"{}"
            os.close(fds[0])
            if worker is s.workers[0]:
                worker.die()
                await s.rest()
        s.workers[1].begin(call)
        s.workers[1].finish(call)
        await task
        os.close(fd)


async def test_a_call_that_is_lost_again_and_again_is_given_up() -> None:
    async with scene() as s:
        task = await s.call()
        for number in range(10):
            if task.done():
                break
            worker = s.workers[number]
            if number:
                worker.load()
            await until(partial(is_there, task, worker))
            if task.done():
                break
            worker.grab()
            worker.die()
            await s.rest()
        with pytest.raises(WorkerDied):
            await task
        assert 2 <= number <= 5


def is_there(task: "asyncio.Task[Result]", worker: HandWorker) -> bool:
    """Whether the call has ended, or can be taken again."""
    return task.done() or readable(worker)


async def test_an_answer_is_not_lost_with_its_worker() -> None:
    """Neither if the page was cleared nor if the worker died before that."""
    async with scene(2) as s:
        first, second = await s.call(), await s.call()
        s.workers[0].finish(s.workers[0].take(), b"1")
        s.workers[0].answer(s.workers[0].take(), b"2")
        s.workers[0].die()
        assert (await first).answer.body == b"1"
        assert (await second).answer.body == b"2"


async def test_what_a_living_worker_has_begun_is_not_handed_out_again() -> None:
    async with scene(2) as s:
        task = await s.call()
        call = s.workers[1].take()
        s.workers[0].die()
        await s.rest()
        assert not readable(s.workers[1])
        s.workers[1].finish(call)
        await task


async def test_what_a_living_worker_may_hold_unnoted_is_not_handed_out_again() -> None:
    async with scene(2) as s:
        task = await s.call()
        call, _ = s.workers[1].grab()
        s.workers[0].die()
        await s.rest()
        assert not readable(s.workers[1])
        s.workers[1].begin(call)
        await s.rest()
        assert not readable(s.workers[1])
        s.workers[1].finish(call, b"once")
        assert (await task).answer.body == b"once"


async def test_what_was_answered_meanwhile_is_not_handed_out_again() -> None:
    """The answer is in the channel, unread, and the page is clear already."""
    async with scene(2) as s:
        task = await s.call()
        call = s.workers[1].take()
        s.workers[0].die()
        # The search runs before the loop would look at the channel.
        s.workers[1].finish(call, b"once")
        await s.rest()
        assert not readable(s.workers[1])
        assert (await task).answer.body == b"once"


async def test_two_deaths_at_once_lose_nothing_and_run_nothing_twice() -> None:
    async with scene(3) as s:
        lost, slow = await s.call(), await s.call()
        taken, _ = s.workers[0].grab()
        running = s.workers[2].take()
        s.workers[0].die()
        s.workers[1].die()
        await s.rest()
        # Handed out again, it lies in the channel while the only worker is busy.
        s.workers[2].finish(running)
        await slow
        again = await s.look(s.workers[2])
        assert again == taken
        s.workers[2].finish(again)
        await lost
        await s.rest()
        assert not readable(s.workers[2])


async def test_calls_that_nobody_took_keep_their_order() -> None:
    async with scene() as s:
        tasks = [await s.call(arguments={"n": n}) for n in range(6)]
        s.workers[0].die()
        replacement = s.workers[1]
        replacement.load()
        for number, task in enumerate(tasks):
            call = await s.look(replacement)
            assert call.arguments == {"n": number}
            replacement.finish(call)
            await task


async def test_every_worker_dies_at_once() -> None:
    async with scene(2) as s:
        tasks = [await s.call() for _ in range(5)]
        s.workers[0].take()
        s.workers[1].grab()
        for worker in list(s.workers):
            worker.die()
        with pytest.raises(WorkerDied):
            await tasks[0]
        await s.rest()
        for worker in s.workers[2:]:
            worker.load()
        await served(s.workers[2], tasks)
        assert all(not task.exception() for task in tasks[1:])


# Loading


async def test_a_model_that_cannot_be_loaded() -> None:
    async with scene(2, load=False) as s:
        task = await s.call()
        assert s.pool.reason == "The model is loading."
        s.workers[0].load()
        await until(lambda: s.pool.ready_workers)
        s.workers[1].fail("no such file")
        with pytest.raises(ModelLoadError, match="no such file") as caught:
            await s.pool.wait_loaded()
        assert caught.value.name == "cat"
        assert caught.value.distribution == "cat-package"
        assert caught.value.traceback == "Traceback …"
        s.workers[0].serve()
        await task


async def test_a_worker_that_ends_while_it_loads(caplog: pytest.LogCaptureFixture) -> None:
    """Without a word: killed, or by os._exit."""
    async with scene(load=False) as s:
        task = await s.call()
        s.workers[0].die(-signal.SIGKILL)
        with pytest.raises(ModelLoadError, match="its process ended with signal 9"):
            await s.pool.wait_loaded()
        with pytest.raises(Unavailable, match="'cat' cannot be loaded"):
            await task
        assert s.pool.reason is not None
        assert "signal 9" in s.pool.reason
        with pytest.raises(Unavailable, match="'cat' cannot be loaded"):
            await (await s.call())
        assert len(s.workers) == 1  # a start that failed is not tried again


async def test_a_replacement_that_cannot_load_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as s:
        s.workers[0].die(3)
        waiting = await s.call()
        s.workers[1].fail("the disk is away")
        assert s.pool.reason == "the disk is away"
        assert "Traceback …" in caplog.text
        assert "exit status 3" in caplog.text
        with pytest.raises(Unavailable, match="cannot be loaded at the moment"):
            await waiting
        await until(lambda: len(s.workers) == 3)
        s.workers[2].load()
        await until(lambda: s.pool.reason is None)
        task = await s.call()
        s.workers[2].serve()
        await task


async def test_a_replacement_is_not_started_while_closing() -> None:
    async with scene() as s:
        s.workers[0].die()
        s.workers[1].fail("the disk is away")
    await asyncio.sleep(1.1)  # the pause before the next start is over
    assert len(s.workers) == 2


async def test_what_the_workers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(2) as s:
        assert [worker.told.source for worker in s.workers] == [SOURCE, SOURCE]
        assert s.loaded == [DESCRIPTION] * 2
        assert s.pool.ready_workers == 2
        assert s.pool.reason is None
        await s.pool.wait_loaded()


# Handing out


async def test_no_call_waits_behind_a_slow_one() -> None:
    async with scene(2) as s:
        slow = await s.call()
        s.workers[0].take()
        fast = [await s.call() for _ in range(20)]
        await served(s.workers[1], fast)
        assert not slow.done()
        s.workers[0].die()
        with pytest.raises(WorkerDied):
            await slow


async def test_a_call_does_not_wait_beside_a_worker_that_is_idle() -> None:
    """A worker that is stopped while it is woken takes nothing, and the kernel wakes no other."""
    async with scene(2) as s:
        stopped, other = [Intake(each.calls, each.control, each.page) for each in s.workers]
        # The one that came first is woken first.
        woken = asyncio.create_task(asyncio.to_thread(stopped.wait, 10))
        waiting = asyncio.create_task(asyncio.to_thread(other.wait, 10))
        await asyncio.sleep(0.2)
        task = await s.call()
        await woken
        await asyncio.wait_for(waiting, 5)
        s.workers[1].finish(s.workers[1].take(), b"x")
        assert (await task).answer.body == b"x"
        stopped.close()
        other.close()


async def test_the_kernel_gets_only_a_few_calls_more_than_there_are_workers() -> None:
    async with scene() as s:
        tasks = [await s.call() for _ in range(20)]
        assert s.workers[0].serve() < 10
        await served(s.workers[0], tasks)


async def test_a_queued_call_whose_caller_has_gone_is_dropped() -> None:
    async with scene() as s:
        running = await s.call()
        call = s.workers[0].take()
        tasks = [await s.call(arguments={"n": n}) for n in range(10)]
        for task in tasks[5:]:
            task.cancel()
        await asyncio.gather(*tasks[5:], return_exceptions=True)
        assert sorted(s.released) == [6, 7, 8, 9, 10]
        s.workers[0].finish(call)
        await running
        await served(s.workers[0], tasks)
        assert [task.result().answer.call_id for task in tasks[:5]] == [2, 3, 4, 5, 6]


async def test_a_call_that_has_begun_runs_on_when_its_caller_has_gone() -> None:
    async with scene() as s:
        task = await s.call()
        call = s.workers[0].take()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert s.released == []  # the model may be reading the files
        fd = memory_file(b"x")
        s.workers[0].answer(call, b"", [fd])  # and nobody keeps its descriptor
        os.close(fd)
        await until(lambda: s.released == [0])


async def test_a_call_that_cannot_cross_fails_alone() -> None:
    async with scene() as s:
        bad = await s.call(arguments={"f": lambda: None})
        good = await s.call()
        with pytest.raises(Unavailable, match="cannot be handed out"):
            await bad
        s.workers[0].serve()
        await good


async def test_large_calls_wait_until_the_channel_has_room() -> None:
    async with scene(4) as s:
        tasks = [await s.call(arguments={"a": bytes(99_000)}) for _ in range(6)]
        await served(s.workers[0], tasks)


async def test_an_answer_may_bring_a_descriptor() -> None:
    async with scene() as s:
        task = await s.call()
        call = s.workers[0].take()
        fd = memory_file(b"body")
        s.workers[0].answer(call, b"", [fd])
        os.close(fd)
        result = await task
        assert result.fd is not None
        assert os.pread(result.fd, 10, 0) == b"body"
        os.close(result.fd)


async def test_an_answer_that_nobody_waits_for_leaves_nothing() -> None:
    async with scene() as s:
        fd = memory_file(b"body")
        s.workers[0].answer(Call(999, "predict", ""), b"", [fd])
        os.close(fd)
        task = await s.call()
        s.workers[0].serve()
        await task


# Closing


async def test_closing_refuses_what_has_not_begun_and_waits_for_what_has() -> None:
    async with scene() as s:
        tasks = [await s.call() for _ in range(6)]
        call = s.workers[0].take()
        closing = asyncio.create_task(s.pool.close(grace_s=2.5))
        for task in tasks[1:]:
            with pytest.raises(Unavailable, match="shutting down"):
                await task
        assert not closing.done()
        assert s.workers[0].stopped_s == 2.5
        assert s.workers[0].page.is_stopping
        s.workers[0].finish(call, b"last")
        s.workers[0].die(0)
        await closing
        assert (await tasks[0]).answer.body == b"last"
        await s.pool.close(grace_s=0)
        with pytest.raises(Unavailable, match="shutting down"):
            await (await s.call())


@pytest.mark.parametrize("noted", [True, False])
async def test_a_call_whose_worker_is_killed_while_closing(noted: bool) -> None:
    async with scene() as s:
        task = await s.call()
        call, _ = s.workers[0].grab()
        if noted:
            s.workers[0].begin(call)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        s.workers[0].die()
        await closing
        with pytest.raises(WorkerDied):
            await task


async def test_a_death_just_before_closing_is_no_trouble() -> None:
    async with scene(2) as s:
        task = await s.call()
        s.workers[0].grab()
        s.workers[0].die()
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        for worker in s.workers[1:]:
            worker.die(0)
        await closing
        await s.rest()
        with pytest.raises(Unavailable):
            await task


async def test_a_pool_that_is_closed_while_it_loads() -> None:
    async with scene(load=False) as s:
        waiting = asyncio.create_task(s.pool.wait_loaded())
        await asyncio.sleep(0)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        s.workers[0].die()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await waiting


# Real processes

MODEL = """
import os, signal
from webargs import fields
def get_predict_args():
    return {"how": fields.Str(load_default="")}
def predict(how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()
"""


async def test_a_real_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pool_model.py"
    path.write_text(MODEL)
    source = ModelSource("pool_model", SourceKind.FILE, str(path))
    async with LocalExecutor() as executor:
        pool = Pool(source, executor=executor, size=1, warm=True, on_loaded=lambda _: None)
        pool.start()
        await pool.wait_loaded()
        first = await pool.call("predict", request_id="", arguments={"how": ""})
        with pytest.raises(WorkerDied):
            await pool.call("predict", request_id="", arguments={"how": "kill"})
        second = await pool.call("predict", request_id="", arguments={"how": ""})
        assert first.answer.body != second.answer.body
        await pool.close(grace_s=5)
