# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a call came to is kept though the disk is full for a while, and its end is clear if not."""

import asyncio
import errno
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import CallFailed, TimedOut, WorkerDied
from deepaas.execution import answers, keeping
from deepaas.execution.base import Result
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.keeping import AnswerKeeper, failure_of
from deepaas.execution.messages import Answer, Failure, memory_file
from deepaas.execution.streams import AnswerStream, StreamFailed
from deepaas.service.predictions import as_error
from tests.unit.execution.stored import explain
from tests.unit.parts import open_fds, until


class Keeper(AnswerKeeper):
    """Keeps answers in a folder."""

    def __init__(self, folder: Path) -> None:
        self.directory = JobDirectory(folder)
        super().__init__(self.directory, "cat", explain)

    def body(self) -> bytes:
        """Return what was kept."""
        assert answers.read(self.directory) is not None
        return (self.directory.path / "answer.body").read_bytes()


def stream(*pieces: bytes, error: Exception | None = None, ends: bool = True) -> AnswerStream:
    made = AnswerStream(lambda count: None, lambda: None)
    for piece in pieces:
        made.feed(piece)
    if ends:
        made.end(error)
    return made


def streamed(made: AnswerStream) -> Result:
    return Result(Answer(1, "text/event-stream"), None, made, 2)


async def test_an_answer_is_kept_with_its_version(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    end = await keeper.keep(Result(Answer(1, "image/png", b"PNG", "a.png"), version=5))
    assert (end.state, keeper.body()) == ("done", b"PNG")
    kept = answers.read(keeper.directory)
    assert kept is not None
    assert (kept.content_type, kept.filename, kept.version) == ("image/png", "a.png", 5)


async def test_a_descriptor_is_closed(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    before = open_fds()
    await keeper.keep(Result(Answer(1, "image/png"), memory_file(b"PNG")))
    assert keeper.body() == b"PNG"
    assert open_fds() == before


async def test_a_stream_is_collected(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    end = await keeper.keep(streamed(stream(b"data: 1\n\n", b"data: 2\n\n")))
    assert (end.state, keeper.body()) == ("done", b"data: 1\n\ndata: 2\n\n")


async def test_a_stream_that_the_model_breaks_off_is_its_failure(tmp_path: Path) -> None:
    """Nothing was sent yet, so the status can say it."""
    keeper = Keeper(tmp_path)
    error = StreamFailed(Failure("ValueError", "no more"))
    end = await keeper.keep(streamed(stream(b"data: 1\n\n", error=error)))
    assert (end.state, end.message) == ("error", "ValueError: no more")
    kept = answers.read(keeper.directory)
    assert kept is not None
    assert kept.failure is not None
    assert (kept.failure.origin, kept.version) == ("model", 2)
    assert os.listdir(tmp_path) == ["answer.json"]


@pytest.mark.parametrize("error", [WorkerDied(), TimedOut(3, waiting=False)])
async def test_of_a_stream_that_breaks_off_nothing_is_left(tmp_path: Path, error: Any) -> None:
    keeper = Keeper(tmp_path)
    before = open_fds()
    with pytest.raises(type(error)):
        await keeper.keep(streamed(stream(b"data: 1\n\n", error=error)))
    assert os.listdir(tmp_path) == []
    assert open_fds() <= before + 1  # of the event loop's threads


async def test_a_stream_of_which_nothing_can_be_written_holds_no_worker(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "removed")
    cancelled: list[bool] = []
    endless = AnswerStream(lambda count: None, lambda: cancelled.append(True))
    assert (await keeper.keep(streamed(endless))).state == "error"
    assert cancelled == [True]


async def test_a_stream_that_nobody_wants_any_more_is_left(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    made = stream(b"a", ends=False)
    keeper.stop()  # of nothing
    keeping_it = asyncio.ensure_future(keeper.keep(streamed(made)))
    await until(lambda: keeper._stream is not None)
    keeper.stop()
    assert (await keeping_it).state == "interrupted"
    assert os.listdir(tmp_path) == []


async def test_a_stream_that_comes_when_nobody_wants_it_is_left(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.stop()
    end = await keeper.keep(streamed(stream(b"a", ends=False)))
    assert end.state == "interrupted"


class Disk:
    """Makes writes fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures = 0
        self.number = errno.ENOSPC
        fsync = os.fsync

        def fail(fd: int) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError(self.number, os.strerror(self.number))
            fsync(fd)

        monkeypatch.setattr(os, "fsync", fail)
        monkeypatch.setattr(keeping, "_TRY_AGAIN_S", 0.001)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.ENFILE])
async def test_an_answer_waits_for_space_and_descriptors(
    tmp_path: Path, disk: Disk, number: int
) -> None:
    keeper = Keeper(tmp_path)
    disk.failures = 3
    disk.number = number
    end = await keeper.keep(Result(Answer(1, "image/png", b"PNG")))
    assert (end.state, keeper.body()) == ("done", b"PNG")


@pytest.mark.parametrize("why", ["too long", "ending", "broken"])
async def test_an_answer_that_cannot_be_kept_is_an_error(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    keeper = Keeper(tmp_path)
    disk.failures = 1_000_000
    match why:
        case "too long":
            monkeypatch.setattr(keeping, "_PATIENCE_S", 0.005)
        case "ending":
            keeper.is_ending = True
        case "broken":
            disk.number = errno.EIO
    end = await keeper.keep(Result(Answer(1, "image/png", b"PNG")))
    text = "Input/output error" if why == "broken" else "No space"
    assert end.state == "error"
    assert text in (end.message or "")
    assert os.listdir(tmp_path) == []


async def test_where_nothing_can_be_made_at_all_the_end_says_so(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "removed")
    end = await keeper.keep(Result(Answer(1, "image/png", b"PNG")))
    assert end.state == "error"
    assert "No such file" in (end.message or "")


async def test_a_failure_that_cannot_be_kept_is_the_end_all_the_same(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(tmp_path)
    keeper.is_ending = True
    disk.failures = 1
    with caplog.at_level(logging.WARNING):
        end = await keeper.keep_failure(Failure("ValueError", "boom"), 0)
    assert (end.state, end.message) == ("error", "ValueError: boom")
    assert "cannot be kept" in caplog.text


async def test_of_a_long_message_the_job_has_the_beginning(tmp_path: Path) -> None:
    """The answer is whole."""
    keeper = Keeper(tmp_path)
    end = await keeper.keep_failure(Failure("ValueError", "x" * 100_000), 0)
    assert end.message == ("ValueError: " + "x" * 100_000)[:4000]
    kept = answers.read(keeper.directory)
    assert kept is not None
    assert kept.failure is not None
    assert (kept.end.message, len(kept.failure.text)) == (end.message, 100_000)


@pytest.mark.parametrize(
    "error",
    [
        CallFailed("SystemExit", "3", status=None),
        WorkerDied("It used too much memory."),
        TimedOut(2.5, waiting=False),
    ],
)
def test_an_error_of_the_pool_comes_back_as_it_was(error: Any) -> None:
    again = as_error(failure_of(error), "cat")
    assert type(again) is type(error)
    assert again.message == error.message
