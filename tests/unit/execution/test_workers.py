# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the server holds of a worker follows what the worker says, and is released."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deepaas.execution.environment import worker_environment
from deepaas.execution.messages import (
    Answer,
    Call,
    Channel,
    LoadFailed,
    Stop,
    StreamData,
    StreamEnd,
    StreamStart,
)
from deepaas.execution.page import Running
from deepaas.execution.workers import Worker, WorkerState
from deepaas.records import ModelDescription
from tests.unit.execution.fakes import DESCRIPTION, SOURCE, HandExecutor, HandWorker
from tests.unit.parts import open_fds


class Heard:
    """What a worker's owner was told."""

    def __init__(self) -> None:
        self.loaded: list[ModelDescription] = []
        self.failed: list[LoadFailed] = []
        self.answers: list[tuple[Answer, list[int]]] = []
        self.streams: list[StreamStart | StreamData | StreamEnd] = []
        self.read: list[int] = []
        self.ended: list[int] = []

    def on_loaded(self, worker: Worker, description: ModelDescription) -> None:
        self.loaded.append(description)

    def on_load_failed(self, worker: Worker, failed: LoadFailed) -> None:
        self.failed.append(failed)

    def on_answer(self, worker: Worker, answer: Answer, fds: list[int]) -> None:
        self.answers.append((answer, fds))

    def on_stream(self, worker: Worker, part: StreamStart | StreamData | StreamEnd) -> None:
        self.streams.append(part)

    def on_read(self, worker: Worker, count: int) -> None:
        self.read.append(count)

    def on_end(self, worker: Worker, status: int) -> None:
        self.ended.append(status)


@asynccontextmanager
async def started(heard: Heard) -> AsyncIterator[tuple[Worker, HandWorker, HandExecutor]]:
    """Start a worker; it leaves no descriptor."""
    # The loop opens some of its own when it first watches one.
    before = open_fds()
    calls, theirs = Channel.pair()
    executor = HandExecutor()
    worker = Worker(SOURCE, heard)
    worker.start(executor, ["/bin/python"], {}, theirs, warm=True)
    hand = executor.workers[0]
    yield worker, hand, executor
    if not hand.is_gone:
        hand.die()
    worker.close()
    assert worker.state is WorkerState.ENDING
    calls.close()
    theirs.close()
    assert open_fds() == before


@pytest.mark.parametrize("ready", [True, False])
async def test_a_worker_that_dies(ready: bool) -> None:
    """What it had said before is heard first, and its page can be read after."""
    heard = Heard()
    async with started(heard) as (worker, hand, _executor):
        if ready:
            hand.load()
            hand.page.begin(3, 1.5)
            hand.answer(call_of(3), b"x")
        hand.die(-11)
        assert heard.ended == [-11]
        assert len(heard.loaded) == len(heard.answers) == int(ready)
        assert worker.running == ([Running(3, 1.5)] if ready else [])
        await asyncio.sleep(0)
        worker.stop(1.0)  # too late, and no harm


def call_of(number: int) -> Call:
    return Call(number, "predict", "")


async def test_a_model_that_cannot_be_loaded() -> None:
    heard = Heard()
    async with started(heard) as (worker, hand, _):
        hand.fail("no such file")
        assert heard.failed == [LoadFailed("no such file", "Traceback …")]
        assert heard.ended == [1]
        assert worker.state is WorkerState.LOADING


async def test_a_worker_that_closes_its_channel_is_heard_no_more() -> None:
    heard = Heard()
    async with started(heard) as (worker, hand, _):
        hand.load()
        hand.control.close()
        worker.read_answers()
        assert worker.state is WorkerState.READY
        worker.read_answers()


async def test_a_worker_becomes_ready_once() -> None:
    heard = Heard()
    async with started(heard) as (worker, hand, _):
        assert hand.told.source == SOURCE
        assert hand.told.warm
        hand.load()
        hand.load()
        worker.read_answers()
        assert worker.state is WorkerState.READY
        assert heard.loaded == [DESCRIPTION]


async def test_answers_come_with_their_descriptors() -> None:
    heard = Heard()
    async with started(heard) as (worker, hand, _):
        hand.load()
        hand.answer(call_of(1), b"one")
        read, write = os.pipe()
        hand.answer(call_of(2), b"", [read])
        worker.read_answers()
        assert [answer.call_id for answer, _ in heard.answers] == [1, 2]
        assert [len(fds) for _, fds in heard.answers] == [0, 1]
        for fd in (read, write, *heard.answers[1][1]):
            os.close(fd)


async def test_what_the_page_says() -> None:
    async with started(Heard()) as (worker, hand, _):
        assert (worker.running, worker.is_receiving) == ([], False)
        hand.page.set_receiving(True)
        hand.page.begin(7, 2.0)
        assert (worker.running, worker.is_receiving) == ([Running(7, 2.0)], True)


async def test_a_ready_worker_is_told_to_stop() -> None:
    heard = Heard()
    async with started(heard) as (worker, hand, _executor):
        hand.load()
        worker.read_answers()
        worker.stop(2.5)
        assert hand.stopped_s == 2.5
        assert hand.page.is_stopping
        assert hand.control.receive() == (Stop(), [])
        hand.load()
        worker.read_answers()
        assert worker.state is WorkerState.ENDING
        assert len(heard.loaded) == 1


async def test_the_last_answer_of_a_worker_that_leaves_unread_words_behind() -> None:
    """It saw in its page that it is to stop, and left without reading the message."""
    heard = Heard()
    async with started(heard) as (worker, hand, _executor):
        hand.load()
        worker.read_answers()
        worker.stop(1.0)
        hand.finish(Call(1, "predict", "r"), b"last")
        hand.die(0)
        assert [answer.body for answer, _ in heard.answers] == [b"last"]


async def test_a_worker_that_loads_cannot_listen() -> None:
    async with started(Heard()) as (worker, hand, _executor):
        worker.stop(0.5)
        assert hand.stopped_s == 0.5
        with pytest.raises(BlockingIOError):
            hand.control.receive()


async def test_a_worker_that_is_gone_cannot_be_told() -> None:
    async with started(Heard()) as (worker, hand, _executor):
        hand.load()
        worker.read_answers()
        hand.control.close()
        worker.stop(0.5)
        assert hand.stopped_s == 0.5


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.delenv(name, raising=False)
    cores = len(os.sched_getaffinity(0))
    assert worker_environment(1)["OMP_NUM_THREADS"] == str(cores)
    assert worker_environment(10 * cores)["OPENBLAS_NUM_THREADS"] == "1"
    assert worker_environment(0) == worker_environment(1)
    assert worker_environment(1)["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize("name", ["MKL_NUM_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH"])
def test_what_the_operator_has_set_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert name not in worker_environment(1)


@pytest.mark.parametrize(
    ("visible", "device", "given"),
    [
        (None, "cuda:0", "0"),
        (None, "cuda:3", "3"),
        (None, "cpu", ""),
        ("5,7", "cuda:0", "5"),
        ("5,7", "cuda:1", "7"),
        ("GPU-8932f937, GPU-aa", "cuda:1", "GPU-aa"),
        ("5,7", "cpu", ""),
        # Nothing that the operator has not given; no GPU, rather than another's.
        ("5,7", "cuda:2", ""),
        ("", "cuda:0", ""),
    ],
)
def test_a_device_is_one_of_those_that_the_operator_has_given(
    visible: str | None, device: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert worker_environment(1, device)["CUDA_VISIBLE_DEVICES"] == given


@pytest.mark.parametrize("visible", [None, "5,7"])
def test_without_devices_a_worker_sees_what_the_server_sees(
    visible: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(1)
