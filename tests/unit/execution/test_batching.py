# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Calls that run together, and fail each for itself."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.batching import Member, frozen, groups
from deepaas.execution.messages import Answer, Call, memory_file
from deepaas.records import CallInput, UploadedFile
from tests.unit.execution.counterpart import Counterpart
from tests.unit.parts import wait_for

MODEL = """
import os, sys, time
from pathlib import Path
from marshmallow import fields
import deepaas
from deepaas import Batch, InvalidInput

batch = Batch(max_size=8)

def get_predict_args():
    return {"n": fields.Int(), "how": fields.Str(), "kind": fields.Raw()}

def note(*texts):
    with open("notes", "a") as file:
        print(*texts, file=file)

def one(n, calls):
    return {"n": n, "together": len(calls)}

def predict_batch(calls):
    note("batch", *(call["n"] for call in calls))
    hows = {call.get("how") for call in calls}
    while "wait" in hows and not Path("go").exists():
        time.sleep(0.001)
    if "raise" in hows:
        raise ValueError("one of you is bad")
    if "interrupt" in hows:
        raise KeyboardInterrupt
    if "exit" in hows:
        sys.exit(6)
    if "none" in hows:
        return None
    if "text" in hows:
        return "ab"
    if "fork" in hows:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
    results = [one(call["n"], calls) for call in calls]
    if "few" in hows:
        return results[1:]
    if "many" in hows:
        return [*results, 1]
    for at, call in enumerate(calls):
        if call.get("how") == "instance":
            results[at] = InvalidInput("not this one")
        if call.get("how") == "unencodable":
            results[at] = object()
        if call.get("how") == "generator":
            results[at] = (n for n in range(3))
        if call.get("how") == "who":
            results[at] = [deepaas.request_id()]
    return tuple(results)
"""

#: It has a function for one call too.
BOTH = (
    MODEL
    + """
def predict(n, how=""):
    note("single", n)
    if how == "raise":
        raise InvalidInput("alone, too")
    return {"n": n, "together": 0}
"""
)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Counterpart]:
    """Lend a worker of the model that has no other function."""
    with Counterpart.of(MODEL, tmp_path) as worker:
        yield worker


def together(worker: Counterpart, calls: Sequence[dict[str, Any]]) -> dict[int, Answer]:
    """Hand out calls while the worker stands still, so that it finds all of them."""
    os.kill(worker.process.pid, signal.SIGSTOP)
    for number, arguments in enumerate(calls):
        worker.call(number + 1, n=number, **arguments)
    os.kill(worker.process.pid, signal.SIGCONT)
    return worker.hear_all(len(calls))


def results(answers: dict[int, Answer]) -> list[Any]:
    """Return what each call got: what was predicted, or what went wrong."""
    return [
        json.loads(answer.body or b"")["predictions"]
        if answer.failure is None
        else (answer.failure.type_name, answer.failure.text)
        for _, answer in sorted(answers.items())
    ]


def notes(tmp_path: Path) -> list[str]:
    """Return what the model noted."""
    return (tmp_path / "notes").read_text().splitlines()


def test_what_waits_runs_together_up_to_the_maximum(worker: Counterpart, tmp_path: Path) -> None:
    found = results(together(worker, [{}] * 11))
    assert [each["n"] for each in found] == list(range(11))
    assert {each["together"] for each in found} == {8, 3}
    assert notes(tmp_path) == ["batch 0 1 2 3 4 5 6 7", "batch 8 9 10"]
    assert worker.stop() == 0
    assert worker.page.running == []


def test_a_call_that_comes_alone_runs_alone(worker: Counterpart) -> None:
    for number in range(3):
        worker.call(number + 1, n=number)
        assert results(worker.hear_all(1)) == [{"n": number, "together": 1}]


def test_every_call_of_a_batch_is_noted(worker: Counterpart, tmp_path: Path) -> None:
    os.kill(worker.process.pid, signal.SIGSTOP)
    for number in range(3):
        worker.call(number + 1, n=number, how="wait")
    os.kill(worker.process.pid, signal.SIGCONT)
    wait_for(lambda: (tmp_path / "notes").exists())
    assert {call.call_id: call.slot for call in worker.page.running} == {1: 0, 2: 1, 3: 2}
    assert not worker.page.is_receiving
    (tmp_path / "go").touch()
    assert len(worker.hear_all(3)) == 3


def test_an_exception_in_a_place_fails_that_call_alone(worker: Counterpart) -> None:
    answers = together(worker, [{}, {"how": "instance"}, {}])
    assert results(answers) == [
        {"n": 0, "together": 3},
        ("InvalidInput", "not this one"),
        {"n": 2, "together": 3},
    ]
    failure = answers[2].failure
    assert failure is not None
    assert failure.status == 400


def test_an_answer_that_cannot_be_sent_fails_alone(worker: Counterpart) -> None:
    first, second, third = results(together(worker, [{}, {"how": "unencodable"}, {}]))
    assert (first["n"], third["n"]) == (0, 2)
    assert second[0] == "InvalidAnswer"


def test_what_a_generator_yields_is_collected(worker: Counterpart) -> None:
    assert results(together(worker, [{"how": "generator"}, {}]))[0] == [0, 1, 2]


@pytest.mark.parametrize("how", ["raise", "interrupt", "none", "few", "many", "text"])
def test_a_batch_that_fails_has_its_calls_run_alone(
    worker: Counterpart, tmp_path: Path, how: str
) -> None:
    first, second, third = results(together(worker, [{}, {"how": how}, {}]))
    assert first == {"n": 0, "together": 1}
    assert third == {"n": 2, "together": 1}
    assert isinstance(second, tuple)
    assert (
        second
        == {
            "raise": ("ValueError", "one of you is bad"),
            "interrupt": ("KeyboardInterrupt", ""),
            "none": ("InvalidAnswer", "predict_batch returned NoneType where a list was due."),
            "few": ("InvalidAnswer", "predict_batch returned 0 results for 1 calls."),
            "many": ("InvalidAnswer", "predict_batch returned 2 results for 1 calls."),
            "text": ("InvalidAnswer", "predict_batch returned str where a list was due."),
        }[how]
    )
    assert notes(tmp_path) == ["batch 0 1 2", "batch 0", "batch 1", "batch 2"]


def test_a_batch_of_one_that_fails_has_failed(worker: Counterpart, tmp_path: Path) -> None:
    assert results(together(worker, [{"how": "raise"}])) == [("ValueError", "one of you is bad")]
    assert notes(tmp_path) == ["batch 0"]


def test_alone_means_by_the_function_for_one_call(tmp_path: Path) -> None:
    with Counterpart.of(BOTH, tmp_path) as worker:
        assert results(together(worker, [{}, {"how": "raise"}])) == [
            {"n": 0, "together": 0},
            ("InvalidInput", "alone, too"),
        ]
        assert results(together(worker, [{}])) == [{"n": 0, "together": 1}]
    assert notes(tmp_path) == ["batch 0 1", "single 0", "single 1", "batch 0"]


def test_wrong_arguments_fail_alone(worker: Counterpart, tmp_path: Path) -> None:
    """And never get to the model."""
    os.kill(worker.process.pid, signal.SIGSTOP)
    for number, text in enumerate(["0", "x", "2"]):
        given = CallInput(query=(("n", text),))
        worker.calls.send(Call(number + 1, "predict", "", None, given))
    body = memory_file(b'{"n": 3}')
    worker.calls.send(Call(4, "predict", "", None, CallInput(), has_body_fd=True), [body])
    os.close(body)
    os.kill(worker.process.pid, signal.SIGCONT)
    answers = worker.hear_all(4)
    failure = answers.pop(2).failure
    assert failure is not None
    assert failure.messages == {"n": ["Not a valid integer."]}
    assert [each["n"] for each in results(answers)] == [0, 2, 3]
    assert notes(tmp_path) == ["batch 0 2 3"]


def test_other_functions_do_not_wait_for_a_batch(worker: Counterpart, tmp_path: Path) -> None:
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.call(1, n=0, how="wait")
    worker.calls.send(Call(2, "check-train", "", {"epochs": 3}))
    os.kill(worker.process.pid, signal.SIGCONT)
    answer, _ = worker.hear()
    assert (answer.call_id, answer.body) == (2, b'{"epochs":3}')
    (tmp_path / "go").touch()
    assert worker.hear()[0].call_id == 1


def test_a_call_that_was_cancelled_in_time_is_left_out(tmp_path: Path) -> None:
    model = MODEL.replace("Batch(max_size=8)", 'Batch(max_size=8, key=("how",))')
    with Counterpart.of(model, tmp_path) as worker:
        os.kill(worker.process.pid, signal.SIGSTOP)
        for number, how in enumerate(["wait", "", "", ""]):
            worker.call(number + 1, n=number, how=how)
        os.kill(worker.process.pid, signal.SIGCONT)
        wait_for(lambda: (tmp_path / "notes").exists())
        worker.cancel(3)
        (tmp_path / "go").touch()
        found = results(worker.hear_all(4))
    assert [each["n"] for each in (found[0], found[1], found[3])] == [0, 1, 3]
    assert found[2][0] == "Cancelled"
    assert notes(tmp_path) == ["batch 0", "batch 1 3"]


def test_one_of_a_failed_batch_that_is_cancelled_does_not_run_alone(tmp_path: Path) -> None:
    wait = 'while not Path("go").exists(): pass'
    model = BOTH.replace('    note("single"', f'    {wait}\n    note("single"')
    with Counterpart.of(model, tmp_path) as worker:
        os.kill(worker.process.pid, signal.SIGSTOP)
        for number in range(3):
            worker.call(number + 1, n=number, how="raise" if number == 2 else "")
        os.kill(worker.process.pid, signal.SIGCONT)
        wait_for(lambda: (tmp_path / "notes").exists())
        worker.cancel(2)
        (tmp_path / "go").touch()
        found = results(worker.hear_all(3))
    assert [each[0] for each in found[1:]] == ["Cancelled", "InvalidInput"]
    assert notes(tmp_path) == ["batch 0 1 2", "single 0", "single 2"]


def test_calls_that_differ_in_the_key_do_not_meet(tmp_path: Path) -> None:
    model = MODEL.replace("Batch(max_size=8)", 'Batch(max_size=8, key=("kind",))')
    kinds: list[dict[str, Any]] = [
        {"kind": "a"},
        {"kind": [1, {"b": 2}]},
        {},
        {"kind": "a"},
        {"kind": [1, {"b": 2}]},
        {},
        {"kind": None},
    ]
    with Counterpart.of(model, tmp_path) as worker:
        found = results(together(worker, kinds))
    assert [each["together"] for each in found] == [2, 2, 2, 2, 2, 2, 1]
    assert notes(tmp_path) == ["batch 0 3", "batch 1 4", "batch 2 5", "batch 6"]


def test_a_model_may_wait_for_a_fuller_batch(tmp_path: Path) -> None:
    model = MODEL.replace("max_size=8", "max_size=3, max_wait_ms=60_000")
    with Counterpart.of(model, tmp_path) as worker:
        for number in range(3):
            worker.call(number + 1, n=number)
            wait_for(lambda: not worker.calls_wait)
        assert results(worker.hear_all(3))[0] == {"n": 0, "together": 3}


def test_who_waits_for_a_fuller_batch_stops_waiting_in_the_end(tmp_path: Path) -> None:
    model = MODEL.replace("max_size=8", "max_size=3, max_wait_ms=20")
    with Counterpart.of(model, tmp_path) as worker:
        worker.call(1, n=0)
        assert results(worker.hear_all(1)) == [{"n": 0, "together": 1}]


def test_who_waits_for_a_fuller_batch_heeds_a_stop(tmp_path: Path) -> None:
    model = MODEL.replace("max_size=8", "max_size=3, max_wait_ms=60_000")
    with Counterpart.of(model, tmp_path) as worker:
        worker.call(1, n=0)
        wait_for(lambda: worker.page.running)
        assert worker.stop() == 0
        assert results(worker.hear_all(1)) == [{"n": 0, "together": 1}]


def test_a_model_that_ends_its_process(worker: Counterpart) -> None:
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.call(1, n=1)
    worker.call(2, n=2, how="exit")
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.process.wait(60) == 6
    assert [call.call_id for call in worker.page.running] == [1, 2]


def test_a_fork_that_comes_back_answers_nothing(worker: Counterpart) -> None:
    assert len(together(worker, [{"how": "fork"}, {}])) == 2
    assert worker.stop() == 0
    assert not worker.page.ring.has_unread


def test_an_async_batch_runs_in_one_loop(tmp_path: Path) -> None:
    model = """
import asyncio
import deepaas
batch = deepaas.Batch()
async def warm():
    global loop
    loop = asyncio.get_running_loop()
async def predict_batch(calls):
    await asyncio.sleep(0)
    return [asyncio.get_running_loop() is loop] * len(calls)
"""
    with Counterpart.of(model, tmp_path) as worker:
        assert results(together(worker, [{}, {}])) == [True, True]
        assert worker.stop() == 0


class Odd:
    """Cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        return 7


class Unhashable:
    """Can be compared by identity alone."""

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (1, 1.0, False),
        (1, True, False),
        ([1, 2], [1, 2], True),
        ([1, 2], (1, 2), False),
        ([1, [2, {"a": [3]}]], [1, [2, {"a": [3]}]], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, False),
        (UploadedFile("a", "/b"), UploadedFile("a", "/b"), True),
        (Unhashable(), Unhashable(), False),
        (bytearray(b"a"), bytearray(b"a"), False),
    ],
)
def test_what_is_alike(one: object, other: object, alike: bool) -> None:
    assert (frozen(one) == frozen(other)) == alike


def test_whatever_the_values_are_every_call_is_in_one_group() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    values = [Odd(), Odd(), Unhashable(), deep, deep, 1, 1]
    call = Call(1, "predict", "")
    members = [Member(call, slot, {"kind": value}) for slot, value in enumerate(values)]
    found = list(groups(members, ("kind",)))
    assert sorted(member.slot for group in found for member in group) == list(range(7))
    assert [5, 6] in [[member.slot for member in group] for group in found]
