# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model whose predict is async runs many calls at once in one worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.messages import Answer, Call, Resume, StreamData, StreamStart, memory_file
from deepaas.execution.streaming import NDJSON
from deepaas.records import CallInput
from tests.unit.execution.counterpart import Counterpart
from tests.unit.parts import wait_for

MODEL = """
import asyncio, os, sys, time
from pathlib import Path
from marshmallow import fields
import deepaas

limits = deepaas.Limits(concurrency=3, predict_timeout_s=7)

async def warm():
    global loop, gate
    loop = asyncio.get_running_loop()
    gate = asyncio.Event()

async def get_metadata():
    return {"id": "asynchronous"}

async def health():
    await asyncio.sleep(0)
    if Path("ill").exists():
        raise ValueError("no gpu")

def get_predict_args():
    return {"n": fields.Int(), "how": fields.Str()}

async def predict(n=0, how=""):
    with open("notes", "a") as file:
        print(n, file=file)
    try:
        return await one(n, how)
    except asyncio.CancelledError:
        if how == "stay":
            return "stayed"
        if how == "clean up":
            Path("cleaned").touch()
        raise

async def one(n, how):
    match how:
        case "wait" | "stay" | "clean up":
            await gate.wait()
        case "open":
            gate.set()
        case "raise":
            raise deepaas.InvalidInput("boom")
        case "missing":
            raise NotImplementedError
        case "cancelled":
            raise asyncio.CancelledError("by itself")
        case "exit":
            sys.exit(7)
        case "fork":
            child = os.fork()
            if child:
                os.waitpid(child, 0)
        case "fork and raise":
            child = os.fork()
            if not child:
                raise ValueError("the child's")
            os.waitpid(child, 0)
        case "large":
            return "x" * 200_000
        case "unencodable":
            return object()
        case "who":
            before = [deepaas.request_id(), deepaas.principal()]
            await asyncio.sleep(0.01)
            return [before, [deepaas.request_id(), deepaas.principal()]]
    return {"n": n, "loop": asyncio.get_running_loop() is loop}
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Counterpart]:
    """Lend a worker."""
    with Counterpart.of(MODEL, tmp_path) as worker:
        yield worker


def result(answer: Any) -> Any:
    """Return what was predicted, or what went wrong."""
    assert isinstance(answer, Answer), answer
    if answer.failure is not None:
        return answer.failure.type_name, answer.failure.text
    return json.loads(answer.body or b"")["predictions"]


def running(worker: Counterpart) -> set[int]:
    """Return the calls that stand in the page."""
    return {call.call_id for call in worker.page.running}


def notes(tmp_path: Path) -> list[str]:
    """Return which calls began."""
    path = tmp_path / "notes"
    return path.read_text().split() if path.exists() else []


def test_what_the_model_says_of_itself(tmp_path: Path) -> None:
    with Counterpart.of(MODEL, tmp_path, wait=False) as worker:
        description = worker.loaded().description
    assert description.metadata == {"id": "asynchronous"}
    assert description.at_once == 3
    assert description.predict_timeout_s == 7
    assert description.has_health


def test_it_says_so_again_while_calls_run(worker: Counterpart) -> None:
    worker.call(1, how="wait")
    worker.calls.send(Call(2, "metadata", ""))
    answer = worker.hear()[0]
    assert (answer.call_id, json.loads(answer.body)) == (2, {"id": "asynchronous"})
    worker.cancel(1)
    worker.hear()


def test_calls_run_at_once_up_to_the_limit(worker: Counterpart, tmp_path: Path) -> None:
    """One that waits for another gets to run, and none is taken that could not begin."""
    for number in range(1, 6):
        worker.call(number, n=number, how="wait")
    wait_for(lambda: len(notes(tmp_path)) == 3)
    assert running(worker) == {1, 2, 3}
    assert len({call.slot for call in worker.page.running}) == 3
    worker.cancel(2)
    assert result(worker.hear()[0])[0] == "Cancelled"
    wait_for(lambda: running(worker) == {1, 3, 4})
    worker.cancel(4)
    worker.hear()
    wait_for(lambda: running(worker) == {1, 3, 5})
    worker.cancel(5)
    worker.hear()
    worker.call(6, n=6, how="open")
    answers = worker.hear_all(3)
    assert sorted(answers) == [1, 3, 6]
    assert result(answers[6]) == {"n": 6, "loop": True}
    assert worker.stop() == 0
    assert running(worker) == set()


def test_many_calls(worker: Counterpart) -> None:
    count = 300
    for number in range(1, count + 1):
        worker.call(number, n=number)
        if number % 100 == 0:
            answers = worker.hear_all(100)
            assert {each["n"] for each in map(result, answers.values())} == set(
                range(number - 99, number + 1)
            )


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("raise", ("InvalidInput", "boom")),
        (
            "missing",
            (
                "NotImplementedError",
                "",
            ),
        ),
        ("cancelled", ("CancelledError", "by itself")),
        ("large", "x" * 200_000),
        (
            "unencodable",
            (
                "InvalidAnswer",
                "The model's answer cannot be written as JSON: object at 'predictions'.",
            ),
        ),
    ],
)
def test_what_goes_wrong_is_answered(worker: Counterpart, how: str, expected: Any) -> None:
    worker.call(1, how=how)
    message, fds = worker.hear()
    for fd in fds:
        with open(fd, "rb") as file:
            file.seek(0)
            message = message._replace(body=file.read())
    assert result(message) == expected
    worker.call(2, n=2)
    assert result(worker.hear()[0])["n"] == 2


def test_arguments_are_parsed_here_where_the_server_could_not(worker: Counterpart) -> None:
    body = memory_file(b'{"n": 8}')
    worker.calls.send(Call(1, "predict", "", None, CallInput(), has_body_fd=True), [body])
    worker.calls.send(Call(2, "predict", "", None, CallInput(query=(("n", "x"),))))
    answers = worker.hear_all(2)
    assert result(answers[1])["n"] == 8
    assert answers[2].failure.messages == {"n": ["Not a valid integer."]}


def test_each_call_knows_its_own_request(worker: Counterpart) -> None:
    for number, name in ((1, "anna"), (2, None), (3, "ben")):
        worker.calls.send(Call(number, "predict", f"r{number}", {"how": "who"}, principal=name))
    answers = worker.hear_all(3)
    assert [result(answers[number]) for number in (1, 2, 3)] == [
        [["r1", "anna"]] * 2,
        [["r2", None]] * 2,
        [["r3", "ben"]] * 2,
    ]


def test_a_cancelled_call_may_clean_up(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, how="clean up")
    wait_for(lambda: notes(tmp_path))
    worker.cancel(1)
    assert result(worker.hear()[0])[0] == "Cancelled"
    assert (tmp_path / "cleaned").exists()


def test_a_call_that_does_not_let_itself_be_cancelled(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, how="stay")
    wait_for(lambda: notes(tmp_path))
    worker.cancel(1)
    assert result(worker.hear()[0]) == "stayed"


def test_a_word_about_others_cancels_nothing(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, how="wait")
    wait_for(lambda: notes(tmp_path))
    worker.page.cancel(0, 7)
    worker.control.send(Resume())
    worker.call(2, how="open")
    assert sorted(worker.hear_all(2)) == [1, 2]


def test_a_model_that_ends_its_process(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, n=1, how="wait")
    wait_for(lambda: notes(tmp_path))
    worker.call(2, n=2, how="exit")
    assert worker.process.wait(60) == 7
    assert running(worker) == {1, 2}


@pytest.mark.parametrize("how", ["fork", "fork and raise"])
def test_a_fork_that_comes_back_answers_nothing(worker: Counterpart, how: str) -> None:
    worker.call(1, how=how)
    assert result(worker.hear()[0])["n"] == 0
    assert worker.stop() == 0
    assert not worker.page.ring.has_unread


def test_a_stop_lets_what_runs_finish(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, n=1, how="wait")
    worker.call(2, n=2, how="wait")
    wait_for(lambda: len(notes(tmp_path)) == 2)
    worker.page.request_stop()
    worker.control.send(Resume())
    worker.call(3, n=3, how="open")
    worker.cancel(1)
    worker.cancel(2)
    assert worker.stop() == 0
    assert sorted(worker.hear_all(2)) == [1, 2]
    assert notes(tmp_path) == ["1", "2"]


def test_a_worker_whose_server_is_gone_ends(worker: Counterpart, tmp_path: Path) -> None:
    worker.call(1, how="wait")
    wait_for(lambda: notes(tmp_path))
    worker.control.close()
    worker.calls.close()
    assert worker.process.wait(60) == 0


def test_health_and_the_arguments_of_a_training(worker: Counterpart, tmp_path: Path) -> None:
    worker.calls.send(Call(1, "health", ""))
    worker.calls.send(Call(2, "check-train", "", {"epochs": 3}))
    answers = worker.hear_all(2)
    assert answers[1].body == b'{"ok":true,"detail":null}'
    assert answers[2].body == b'{"epochs":3}'
    (tmp_path / "ill").touch()
    worker.calls.send(Call(3, "health", ""))
    assert worker.hear()[0].body == b'{"ok":false,"detail":"ValueError: no gpu"}'


def test_streams_of_several_calls_at_once(tmp_path: Path) -> None:
    """One that never waits holds up nobody."""
    model = """
import asyncio
async def predict(n, count):
    for number in range(count):
        yield [n, number]
"""
    with Counterpart.of(model, tmp_path) as worker:
        count = 5000
        for number in (1, 2, 3):
            worker.stream(number, NDJSON, n=number, count=count)
        heard = {1: b"", 2: b"", 3: b""}
        slots: dict[int, int] = {}
        order, ended = [], 0
        while ended < 3:
            message, _ = worker.hear()
            match message:
                case StreamStart():
                    slots[message.call_id] = message.slot
                case StreamData(call_id, data):
                    heard[call_id] += data
                    order.append(call_id)
                    worker.page.set_passed_on(slots[call_id], len(heard[call_id]))
                case _:
                    ended += 1
        for number, text in heard.items():
            assert text == b"".join(b"[%d,%d]\n" % (number, item) for item in range(count))
        assert set(order[: len(order) // 2]) == {1, 2, 3}
