# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A stored call runs once, and whatever happens to it or its server, its job has one clear end."""

import asyncio
import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import CallFailed, QueueFull, TimedOut, Unavailable, WorkerDied
from deepaas.execution import answers, stored_call
from deepaas.execution.answers import BodyWriter, KeptAnswer
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.keeping import STOPPED
from deepaas.execution.messages import Failure
from deepaas.execution.recovery import Again
from deepaas.execution.stored_call import Outcome, StoredCall, judge
from deepaas.execution.streams import AnswerStream
from deepaas.records import JobEnd, JobState
from tests.unit.execution.stored import HandCall, HandPool, claimed, explain
from tests.unit.parts import open_fds, until


class Running:
    """A stored call that runs in a pool of a test's own."""

    def __init__(self, folder: Path, body: bytes | None = None, **changes: Any) -> None:
        self.job, self.directory = claimed(folder, body=body, **changes)
        self.pool = HandPool()
        self.freed = 0
        self.call = StoredCall(
            self.job, self.directory, self.pool, explain=explain, on_free=self._free
        )
        self.task: asyncio.Task[Outcome]

    def _free(self) -> None:
        self.freed += 1

    async def begun(self) -> HandCall:
        """Run it until the pool has it."""
        self.task = asyncio.create_task(self.call.run())
        await until(lambda: self.pool.calls)
        return self.pool.calls[0]

    async def ended(self) -> JobEnd:
        """Wait for its end."""
        end = await self.task
        assert isinstance(end, JobEnd)
        assert self.directory.end() is not None
        return end

    async def again(self) -> Again:
        """Wait until it is to be queued again."""
        again = await self.task
        assert isinstance(again, Again)
        assert self.directory.end() is None
        return again

    def states(self) -> list[str]:
        """Return the states that the events tell."""
        lines = self.directory.events.read_text().splitlines()
        return [json.loads(line)["state"] for line in lines]


async def test_it_is_called_with_what_was_stored(tmp_path: Path) -> None:
    running = Running(tmp_path, body=b'{"a": 1}')
    before = open_fds()
    call = await running.begun()
    given = call.given
    assert (given["request_id"], given["principal"], given["stream"]) == ("r", "me", "s/s")
    assert given["given"].query == (("n", "1"),)
    assert given["given"].body is None
    assert os.pread(given["body_fd"], 100, 0) == b'{"a": 1}'
    assert running.directory.has_begun(1)
    call.answer()
    end = await running.ended()
    assert (end.state, end.message) == (JobState.DONE, None)
    assert running.freed == 0
    call.release()
    assert running.freed == 1
    assert open_fds() <= before + 1  # of the event loop's threads
    assert running.states() == ["running", "done"]


async def test_a_failure_of_the_model_is_an_error(tmp_path: Path) -> None:
    running = Running(tmp_path)
    (await running.begun()).fail(Failure("ValueError", "boom"))
    end = await running.ended()
    assert (end.state, end.message) == (JobState.ERROR, "ValueError: boom")
    kept = answers.read(running.directory)
    assert kept is not None
    assert kept.version == 3


@pytest.mark.parametrize(
    "error",
    [WorkerDied("gone"), TimedOut(3, waiting=False), CallFailed("SystemExit", "3")],
)
async def test_one_that_broke_off_is_not_run_again(tmp_path: Path, error: Any) -> None:
    running = Running(tmp_path)
    (await running.begun()).break_off(error)
    end = await running.ended()
    assert (end.state, end.message) == (JobState.ERROR, error.message)


@pytest.mark.parametrize(
    "error", [Unavailable("not now"), QueueFull("full"), TimedOut(3, waiting=True)]
)
async def test_one_that_never_began_is_queued_again(tmp_path: Path, error: Any) -> None:
    running = Running(tmp_path)
    (await running.begun()).break_off(error)
    again = await running.again()
    assert again.message == error.message
    assert again.not_before is not None
    assert again.not_before > datetime.now(UTC)


async def test_when_the_server_ends_what_runs_is_interrupted(tmp_path: Path) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    running.pool.is_refusing = True
    call.break_off(WorkerDied())
    end = await running.ended()
    assert (end.state, end.message) == (JobState.INTERRUPTED, STOPPED)


@pytest.mark.parametrize("is_refusing", [True, False])
@pytest.mark.parametrize("error", [WorkerDied("gone"), TimedOut(3, waiting=False)])
async def test_a_stream_that_breaks_off_is_judged_alike(
    tmp_path: Path, error: Any, is_refusing: bool
) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    stream = AnswerStream(lambda count: None, lambda: None)
    stream.feed(b"data: 1\n\n")
    call.answer(stream=stream)
    running.pool.is_refusing = is_refusing
    stream.end(error)
    end = await running.ended()
    is_stopped = is_refusing and isinstance(error, WorkerDied)
    assert end.state is (JobState.INTERRUPTED if is_stopped else JobState.ERROR)
    kept = answers.read(running.directory)
    assert (kept and kept.version) == (None if is_stopped else 3)
    assert not (running.directory.path / "answer.body").exists()


async def test_when_the_server_ends_what_waits_is_queued_again_at_once(tmp_path: Path) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    running.pool.is_refusing = True
    call.break_off(Unavailable("The service is shutting down."))
    assert (await running.again()).not_before is None


async def test_one_whose_runner_ends_is_interrupted(tmp_path: Path) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    running.call.end()
    assert (await running.ended()).state is JobState.INTERRUPTED
    assert call.was_left


async def test_one_that_is_cancelled_leaves_the_pool(tmp_path: Path) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    running.directory.decide(End.now("cancelled"))
    running.call.stop()
    assert (await running.ended()).state is JobState.CANCELLED
    assert call.was_left
    assert running.freed == 0  # it may run on
    call.release()
    assert running.freed == 1


async def test_a_cancel_that_comes_with_the_answer_wins(tmp_path: Path) -> None:
    running = Running(tmp_path)
    call = await running.begun()
    running.directory.decide(End.now("cancelled"))
    call.answer()
    assert (await running.ended()).state is JobState.CANCELLED
    assert not (running.directory.path / "answer.body").exists()


async def test_one_that_was_cancelled_before_it_began_never_does(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.directory.decide(End.now("cancelled"))
    running.task = asyncio.create_task(running.call.run())
    assert (await running.ended()).state is JobState.CANCELLED
    assert not running.directory.has_begun(1)
    assert running.freed == 1


async def test_a_call_that_is_stopped_before_the_pool_has_it_is_free(tmp_path: Path) -> None:
    running = Running(tmp_path, body=b"{}")
    before = open_fds()
    running.task = asyncio.create_task(running.call.run())
    running.call.end()  # while it is read
    assert (await running.again()).not_before is None
    assert running.pool.calls == []
    assert running.freed == 1
    assert open_fds() <= before + 1


async def test_a_task_that_is_cancelled_is(tmp_path: Path) -> None:
    running = Running(tmp_path)
    await running.begun()
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task


async def test_one_whose_files_are_gone_is_an_error(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.directory.call.unlink()
    running.task = asyncio.create_task(running.call.run())
    end = await running.ended()
    assert end.state is JobState.ERROR
    assert "removed" in (end.message or "")


async def test_one_whose_call_is_damaged_is_an_error(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.directory.call.write_text("{}")
    running.task = asyncio.create_task(running.call.run())
    assert "damaged" in ((await running.ended()).message or "")


async def test_one_that_cannot_be_noted_as_begun_is_queued_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path, attempt=3)

    def full(self: JobDirectory, attempt: int) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(JobDirectory, "begin", full)
    running.task = asyncio.create_task(running.call.run())
    assert "No space left" in (await running.again()).message
    assert running.freed == 1


@pytest.mark.parametrize("ends", [True, False])
async def test_an_end_that_cannot_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """Unless the server ends: the next one comes to the same, since the answer is kept."""
    running = Running(tmp_path)
    decide, failures = JobDirectory.decide, [1, 2]

    def fail(self: JobDirectory, end: End) -> bool:
        if failures:
            failures.pop()
            running.pool.is_refusing = ends
            raise OSError(errno.ENOSPC, "No space left on device")
        return decide(self, end)

    monkeypatch.setattr(JobDirectory, "decide", fail)
    monkeypatch.setattr(stored_call, "_TRY_AGAIN_S", 0.001)
    (await running.begun()).answer()
    if not ends:
        assert (await running.ended()).state is JobState.DONE
        return
    assert await running.task is None
    failures.clear()
    judged = judge(running.directory, running.job)
    assert isinstance(judged, JobEnd)
    assert judged.state is JobState.DONE


# What a server that is gone has left


def test_what_never_began_is_queued_again(tmp_path: Path) -> None:
    job, directory = claimed(tmp_path)
    assert isinstance(judge(directory, job), Again)


def test_what_had_begun_is_interrupted(tmp_path: Path) -> None:
    job, directory = claimed(tmp_path)
    directory.begin(1)
    BodyWriter(directory).close()
    for _ in range(2):
        end = judge(directory, job)
        assert isinstance(end, JobEnd)
        assert end.state is JobState.INTERRUPTED
        assert not (directory.path / "answer.body").exists()
        assert "POST …/retry" in (end.message or "")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (KeptAnswer("text/plain"), JobState.DONE),
        (KeptAnswer(failure=Failure("E", "t"), message="E: t"), JobState.ERROR),
    ],
)
def test_what_had_answered_ends_so(tmp_path: Path, answer: KeptAnswer, state: JobState) -> None:
    job, directory = claimed(tmp_path)
    directory.begin(1)
    answers.keep(directory, answer)
    end = judge(directory, job)
    assert isinstance(end, JobEnd)
    assert (end.state, end.message) == (state, answer.message)


def test_what_was_cancelled_stays_so(tmp_path: Path) -> None:
    job, directory = claimed(tmp_path)
    directory.decide(End.now("cancelled"))
    end = judge(directory, job)
    assert isinstance(end, JobEnd)
    assert end.state is JobState.CANCELLED


def test_what_was_removed_is_an_error(tmp_path: Path) -> None:
    job, _ = claimed(tmp_path)
    end = judge(JobDirectory(tmp_path / "elsewhere"), job)
    assert isinstance(end, JobEnd)
    assert end.state is JobState.ERROR
