# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An answer is kept whole, whatever it is made of, or not at all."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution import answers
from deepaas.execution.answers import BodyWriter, KeptAnswer
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import Failure, memory_file


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path)


def body(directory: JobDirectory) -> bytes:
    with open(answers.open_body(directory), "rb") as file:
        return file.read()


def test_without_an_answer_there_is_none(directory: JobDirectory) -> None:
    assert answers.read(directory) is None
    with pytest.raises(FileNotFoundError):
        answers.open_body(directory)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (KeptAnswer("image/png", "map é.png", 3), "done"),
        (KeptAnswer(failure=Failure("E", "t \udc80", status=409), message="E: t"), "error"),
        (KeptAnswer(failure=Failure("E", "the same"), message="the same"), "error"),
        (KeptAnswer(failure=Failure("HTTPNoContent", "", status=204), message="no"), "done"),
        (
            KeptAnswer(failure=Failure("I", "", messages={"a": {"0": ["x"]}}, origin="arguments")),
            "error",
        ),
    ],
)
def test_what_is_kept_is_read(directory: JobDirectory, answer: KeptAnswer, state: str) -> None:
    answers.keep(directory, answer)
    assert answers.read(directory) == answer
    assert answer.end.state == state
    assert answer.end.message == (answer.message if state == "error" else None)
    assert os.listdir(directory.path) == ["answer.json"]


def test_a_traceback_stays_in_the_log(directory: JobDirectory) -> None:
    answers.keep(directory, KeptAnswer(failure=Failure("E", "t", "secret path")))
    assert b"secret" not in (directory.path / "answer.json").read_bytes()


def test_a_message_that_is_the_text_is_written_once(directory: JobDirectory) -> None:
    answers.keep(directory, KeptAnswer(failure=Failure("E", "the same"), message="the same"))
    assert (directory.path / "answer.json").read_bytes().count(b"the same") == 1


def test_bodies(directory: JobDirectory) -> None:
    data = os.urandom(3 * 1024 * 1024 + 1)
    large = memory_file(data)
    reading, writing = os.pipe()
    os.write(writing, b"piped")
    os.close(writing)
    writer = BodyWriter(directory)
    writer.copy(large)
    writer.finish()
    writer.close()
    assert body(directory) == data
    writer = BodyWriter(directory)  # of another try
    writer.write(b"a")
    writer.copy(reading)
    writer.write(b"b")
    writer.finish()
    writer.close()
    assert body(directory) == b"apipedb"
    for fd in (large, reading):
        os.close(fd)


def test_a_write_that_failed_by_half_is_done_again(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pipe, nothing is read twice."""
    write, room = os.write, [2]

    def write_some(fd: int, data: Any) -> int:
        if room:
            room.pop()
            write(fd, data[:2])
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data)

    reading, writing = os.pipe()
    os.write(writing, b"piped")
    os.close(writing)
    writer = BodyWriter(directory)
    monkeypatch.setattr(os, "write", write_some)
    with pytest.raises(OSError, match="full"):
        writer.copy(reading)
    writer.copy(reading)
    monkeypatch.undo()
    writer.finish()
    writer.close()
    os.close(reading)
    assert body(directory) == b"piped"
    for _ in range(2):
        answers.remove_body(directory)
    assert os.listdir(directory.path) == []


def test_a_long_body_leaves_some_space(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [8 * 1024 * 1024]
    monkeypatch.setattr(answers, "free_in", lambda folder: free[0])
    data = os.urandom(9 * 1024 * 1024)
    large = memory_file(data)
    writer = BodyWriter(directory, free[0])
    free[0] -= 1
    with pytest.raises(OSError, match="No space left"):
        writer.copy(large)
    assert (directory.path / "answer.body").stat().st_size == 4 * 1024 * 1024
    with pytest.raises(OSError, match="No space left"):
        writer.copy(large)
    free[0] += 1
    writer.copy(large)
    writer.finish()
    writer.close()
    os.close(large)
    assert body(directory) == data


def test_what_cannot_be_kept_leaves_nothing(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        answers.keep(directory, KeptAnswer())
    assert os.listdir(directory.path) == []
