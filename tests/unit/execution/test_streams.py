# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Streams arrive whole and in order, hold a fast model back, and end with a reason."""

import asyncio

import pytest

from deepaas.errors import TimedOut, WorkerDied
from deepaas.execution.base import PoolLimits
from deepaas.execution.messages import (
    Answer,
    Call,
    Failure,
    Resume,
    StreamData,
    StreamEnd,
    StreamStart,
)
from deepaas.execution.streams import AnswerStream, StreamFailed
from tests.unit.execution.fakes import HandWorker
from tests.unit.execution.scene import Scene, scene, served
from tests.unit.parts import until

LINES = "application/x-ndjson"
KIB = 1024


class Ends:
    """The two ends of a stream: what was told to the worker, and the stream."""

    def __init__(self) -> None:
        self.passed_on: list[int] = []
        self.cancels = 0
        self.stream = AnswerStream(self.passed_on.append, self._cancel)

    def _cancel(self) -> None:
        self.cancels += 1


async def test_what_was_fed_is_read_in_order_then_the_end() -> None:
    ends = Ends()
    for piece in (b"a", b"b", b"c"):
        ends.stream.feed(piece)
    assert await ends.stream.read() == b"abc"
    reading = asyncio.create_task(ends.stream.read())
    await asyncio.sleep(0)
    assert not reading.done()
    ends.stream.feed(b"d")
    ends.stream.end()
    assert await reading == b"d"
    assert await ends.stream.read() == b""
    assert await ends.stream.read() == b""
    ends.stream.close()
    assert ends.cancels == 0


async def test_an_error_comes_behind_what_was_sent_before_it() -> None:
    ends = Ends()
    ends.stream.feed(b"a")
    ends.stream.end(WorkerDied())
    ends.stream.end(ValueError("a later word"))
    ends.stream.feed(b"too late")
    assert await ends.stream.read() == b"a"
    with pytest.raises(WorkerDied):
        await ends.stream.read()


async def test_the_worker_is_told_of_what_was_dealt_with_and_not_of_what_was_only_read() -> None:
    ends = Ends()
    ends.stream.feed(bytes(200 * KIB))
    assert len(await ends.stream.read()) == 200 * KIB
    assert ends.passed_on == []
    ends.stream.feed(b"x")
    await ends.stream.read()
    assert ends.passed_on == [200 * KIB]
    for _ in range(10):
        ends.stream.feed(bytes(KIB))
        await ends.stream.read()
    assert ends.passed_on == [200 * KIB]  # little pieces are told of together


async def test_a_reader_that_leaves_stops_the_worker_and_keeps_nothing() -> None:
    ends = Ends()
    ends.stream.feed(b"a")
    ends.stream.close()
    ends.stream.feed(b"b")
    assert ends.cancels == 1
    ends.stream.end()
    assert await ends.stream.read() == b""


# Through a pool


async def begin(s: Scene, worker: HandWorker, slot: int = 0) -> tuple[Call, AnswerStream]:
    """Let a call begin to answer piece by piece."""
    task = await s.call(stream=LINES)
    call = await until_taken(s, worker, slot)
    worker.put(StreamStart(call.id, LINES, slot))
    result = await task
    assert result.answer == Answer(call.id, LINES)
    assert result.stream is not None
    return call, result.stream


async def until_taken(s: Scene, worker: HandWorker, slot: int) -> Call:
    call = await s.look(worker)
    if slot:
        worker.page.end()
        worker.begin(call, slot)
    return call


async def test_a_stream_arrives_in_order_and_ends() -> None:
    async with scene() as s:
        worker = s.workers[0]
        call, stream = await begin(s, worker)
        for piece in (b"1\n", b"2\n"):
            worker.put(StreamData(call.id, piece))
        assert await stream.read() == b"1\n2\n"
        worker.put(StreamData(call.id, b"3\n"), StreamEnd(call.id))
        worker.page.end()
        assert s.released == []
        assert await stream.read() == b"3\n"
        assert await stream.read() == b""
        assert s.released == [0]
        assert not s.pool.is_busy
        await served(worker, [await s.call()])


async def test_an_error_in_the_middle_comes_with_what_the_model_said() -> None:
    async with scene() as s:
        call, stream = await begin(s, s.workers[0])
        failure = Failure("ValueError", "seven")
        s.workers[0].put(StreamData(call.id, b"1\n"), StreamEnd(call.id, failure))
        s.workers[0].page.end()
        assert await stream.read() == b"1\n"
        with pytest.raises(StreamFailed, match="seven") as caught:
            await stream.read()
        assert caught.value.failure == failure


async def test_what_goes_on_to_the_client_stands_in_the_page_of_the_one_who_sends() -> None:
    async with scene() as s:
        worker = s.workers[0]
        call, stream = await begin(s, worker, slot=3)
        for _ in range(4):
            worker.put(StreamData(call.id, bytes(30 * KIB)))
        assert len(await stream.read()) == 120 * KIB
        assert worker.page.passed_on(3) == 0
        worker.put(StreamData(call.id, b"x"))
        await stream.read()
        assert worker.page.passed_on(3) == 120 * KIB
        assert worker.control.receive() == (Resume(), [])
        worker.put(StreamEnd(call.id))
        assert await stream.read() == b""


async def test_a_reader_that_leaves_is_noted_in_the_page() -> None:
    async with scene() as s:
        call, stream = await begin(s, s.workers[0])
        stream.close()
        assert s.workers[0].page.is_cancelled(0, call.id)
        assert s.workers[0].control.receive() == (Resume(), [])
        assert s.pool.is_busy
        s.workers[0].put(StreamData(call.id, b"late"), StreamEnd(call.id))
        await until(lambda: not s.pool.is_busy)
        assert s.released == [0]
        assert {name for name, count in s.pool.stats.calls.items() if count} == {"dropped"}


async def test_a_reader_that_leaves_at_the_end_was_answered() -> None:
    async with scene() as s:
        call, stream = await begin(s, s.workers[0])
        s.workers[0].put(StreamEnd(call.id))
        assert await stream.read() == b""
        stream.close()
        assert {name for name, count in s.pool.stats.calls.items() if count} == {"answered"}


async def test_a_worker_that_dies_in_the_middle_ends_the_stream() -> None:
    async with scene() as s:
        call, stream = await begin(s, s.workers[0])
        s.workers[0].put(StreamData(call.id, b"1\n"))
        s.workers[0].die()
        assert await stream.read() == b"1\n"
        with pytest.raises(WorkerDied):
            await stream.read()
        stream.close()
        assert s.released == [0]


async def test_a_stream_for_a_caller_who_has_left_is_stopped() -> None:
    async with scene() as s:
        task = await s.call(stream=LINES)
        call = s.workers[0].take()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        s.workers[0].put(StreamStart(call.id, LINES, 0))
        await until(lambda: s.workers[0].page.is_cancelled(0, call.id))
        s.workers[0].put(StreamData(call.id, b"x"), StreamEnd(call.id))
        s.workers[0].page.end()
        await until(lambda: s.released == [0])


async def test_a_stream_that_begins_as_its_caller_leaves_is_stopped() -> None:
    """The stream is there, and the one who waits has not run since."""
    async with scene() as s:
        task = await s.call(stream=LINES)
        call = s.workers[0].take()
        s.workers[0].put(StreamStart(call.id, LINES, 0))
        for worker in s.pool._crew.workers:
            worker.look()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert s.workers[0].page.is_cancelled(0, call.id)


async def test_a_stream_that_takes_too_long_ends_with_the_reason_and_its_worker() -> None:
    async with scene(limits=PoolLimits(timeout_s=1.0)) as s:
        _, stream = await begin(s, s.workers[0])
        with pytest.raises(TimedOut):
            await stream.read()
        await s.die(s.workers[0])


async def test_a_stream_that_waited_too_long_is_stopped_and_its_worker_lives() -> None:
    async with scene(load=False, limits=PoolLimits(timeout_s=2.0)) as s:
        task = await s.call(stream=LINES)
        # Time enough, before the limit and before this long after it, for a busy machine.
        await asyncio.sleep(1.0)
        s.workers[0].load()
        call = await s.look(s.workers[0])
        s.workers[0].put(StreamStart(call.id, LINES, 0))
        stream = (await task).stream
        assert stream is not None
        with pytest.raises(TimedOut):
            await stream.read()
        assert s.workers[0].page.is_cancelled(0, call.id)
        s.workers[0].put(StreamEnd(call.id))
        s.workers[0].page.end()
        await until(lambda: not s.pool.is_busy)
        assert s.workers[0].stopped_s is None


async def test_parts_of_a_stream_that_nobody_knows_are_dropped() -> None:
    async with scene() as s:
        s.workers[0].put(StreamStart(99, LINES, 0), StreamData(99, b"x"), StreamEnd(99))
        await served(s.workers[0], [await s.call()])
