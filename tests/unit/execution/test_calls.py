# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whatever the author's code does, a call has an answer."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from marshmallow import fields, validate

from deepaas.errors import (
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    MalformedBody,
    NotImplementedByModel,
)
from deepaas.execution.calls import CallRunner
from deepaas.execution.failures import failure_of
from deepaas.execution.messages import Answer, Call
from deepaas.model.adapter import ModelAdapter
from deepaas.records import CallInput, ModelSource, SourceKind
from deepaas.telemetry import request_id

SOURCE = ModelSource("cat", SourceKind.OBJECT, "cat:model")


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    """Leave no request in the context of the tests."""
    token = request_id.set("")
    yield
    request_id.reset(token)


def runner(predict: Callable[..., Any] | None = None, **model: Any) -> CallRunner:
    """Return a runner for a model made of these functions."""
    functions = {"train": lambda **kwargs: None, **model}
    if predict is not None:
        functions["predict"] = predict
    return CallRunner(ModelAdapter(SOURCE, SimpleNamespace(**functions)))


def run(runner: CallRunner, **options: Any) -> Answer:
    """Run a prediction that returns no file."""
    answer, file = runner.run(Call(7, "predict", "r1", **options), None)
    assert answer.call_id == 7
    assert file is None
    return answer


class NoText(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class NoTraceback(NoText):
    """Nor can its traceback."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no notes")


def test_a_model_that_wants_its_process_to_end_says_so() -> None:
    """Whether it ends is up to who runs the call."""

    def predict() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        run(runner(predict))
    assert caught.value.code == 3


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_whatever_the_model_raises_becomes_data(kind: type[BaseException]) -> None:
    def predict() -> None:
        raise kind("boom")

    failure = run(runner(predict)).failure
    assert failure is not None
    assert (failure.type_name, failure.text, failure.origin) == (kind.__name__, "boom", "model")
    assert "in predict" in failure.traceback
    assert failure.status is None


@pytest.mark.parametrize("kind", [NoText, NoTraceback])
def test_an_exception_whose_text_cannot_be_made(kind: type[Exception]) -> None:
    def predict() -> None:
        raise kind

    failure = run(runner(predict)).failure
    assert failure is not None
    assert failure.type_name == kind.__name__
    assert failure.text == "(its text cannot be made: RuntimeError)"
    assert "in predict" in failure.traceback


@pytest.mark.parametrize(
    ("exc", "status", "text"),
    [
        (web.HTTPConflict(reason="busy"), 409, "busy"),
        (web.HTTPBadRequest(), 400, "Bad Request"),
        (web.HTTPException(reason="no status"), 500, "no status"),
        (InvalidInput("not a cat"), 400, "not a cat"),
        (ValueError("x"), None, "x"),
    ],
)
def test_a_model_may_choose_the_status(exc: Exception, status: int | None, text: str) -> None:
    failure = failure_of(exc)
    assert (failure.status, failure.text, failure.origin) == (status, text, "model")


@pytest.mark.parametrize(
    ("reason", "text"), [(ValueError("wrong"), "wrong"), ("two\nlines", "two\nlines")]
)
def test_a_reason_may_be_any_object(reason: Any, text: str) -> None:
    """The recipe of the old documentation, which aiohttp itself has come to refuse."""
    for kind, status in ((web.HTTPBadRequest, 400), (web.HTTPException, 500)):

        def predict(kind: type[web.HTTPException] = kind) -> None:
            raise kind(reason=reason)

        failure = run(runner(predict)).failure
        assert failure is not None
        assert (failure.status, failure.text) == (status, text)


def test_without_aiohttp_nobody_can_have_raised_its_exceptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "aiohttp.web_exceptions")
    assert failure_of(web.HTTPConflict()).status is None


@pytest.mark.parametrize(
    ("exc", "origin", "messages"),
    [
        (InvalidArguments({"a": ["bad"]}), "arguments", {"a": ["bad"]}),
        (MalformedBody("json", "Invalid JSON body."), "body", {"json": ["Invalid JSON body."]}),
        (NotImplementedByModel("cat"), "missing", None),
        (InvalidAnswer("no fit", detail="why"), "answer", None),
    ],
)
def test_what_we_found_ourselves_is_told_apart(
    exc: Exception, origin: str, messages: object
) -> None:
    failure = failure_of(exc)
    assert (failure.origin, failure.messages, failure.text) == (origin, messages, str(exc))
    # Only what the author is to mend has a traceback.
    assert bool(failure.traceback) == (origin == "answer")


def declared() -> dict[str, Any]:
    return {
        "number": fields.Int(validate=validate.Range(min=0), required=True),
        "token": fields.Str(metadata={"secret": True}),
    }


def test_wrong_arguments() -> None:
    model = runner(lambda number: number, get_predict_args=declared)
    failure = run(model, input=CallInput(query=(("number", "-1"),))).failure
    assert failure is not None
    assert failure.origin == "arguments"
    assert set(failure.messages or {}) == {"number"}
    failure = run(model).failure
    assert failure is not None
    assert failure.messages == {"number": ["Missing data for required field."]}


def test_a_body_that_is_no_json() -> None:
    model = runner(lambda number: number, get_predict_args=declared)
    failure = run(model, input=CallInput(body=b"{")).failure
    assert failure is not None
    assert (failure.origin, failure.messages) == ("body", {"json": ["Invalid JSON body."]})


def test_a_model_without_the_function() -> None:
    failure = run(runner()).failure
    assert failure is not None
    assert failure.origin == "missing"


def test_an_answer_that_cannot_be_sent() -> None:
    model = runner(
        lambda accept: {"a": 1}, get_predict_args=lambda: {"accept": fields.Str(load_default="a/b")}
    )
    failure = run(model, input=CallInput()).failure
    assert failure is not None
    assert failure.origin == "answer"


def test_arguments_that_the_server_parsed_are_taken_as_they_are() -> None:
    answer = run(runner(lambda **kwargs: kwargs, get_predict_args=declared), arguments={"a": -1})
    assert answer.failure is None
    assert answer.content_type == "application/json"
    assert json.loads(answer.body or b"") == {"status": "OK", "predictions": {"a": -1}}


@pytest.mark.parametrize("place", ["inline", "memory"])
def test_arguments_are_parsed_here_where_the_server_could_not(place: str) -> None:
    model = runner(lambda **kwargs: kwargs, get_predict_args=declared)
    body = b'{"number": 5}'
    given = CallInput(query=(("token", "t"),), body=body if place == "inline" else None)
    call = Call(1, "predict", "", None, given)
    answer, _ = model.run(call, memoryview(body) if place == "memory" else None)
    assert json.loads(answer.body or b"")["predictions"] == {"number": 5, "token": "t"}


def test_a_returned_file_comes_open(tmp_path: Path) -> None:
    path = tmp_path / "cat.bin"
    path.write_bytes(b"miaow")
    model = runner(
        lambda accept: path.open("rb"),
        get_predict_args=lambda: {"accept": fields.Str(load_default="a/b")},
    )
    answer, file = model.run(Call(1, "predict", "", {"accept": "a/b"}), None)
    assert (answer.body, answer.filename, answer.content_type) == (None, "cat.bin", "a/b")
    assert file is not None
    assert file.read() == b"miaow"
    file.close()


@pytest.mark.parametrize("function", ["train", "predict"])
def test_the_arguments_of_a_job_are_answered_as_they_may_be_shown(function: str) -> None:
    model = runner(**{f"get_{function}_args": declared})
    given = CallInput(query=(("number", "3"), ("token", "hidden")))
    answer, _ = model.run(Call(1, f"check-{function}", "", None, given), None)
    assert json.loads(answer.body or b"") == {"number": 3, "token": "***"}
    answer, _ = model.run(Call(1, f"check-{function}", ""), None)
    assert answer.failure is not None


def test_what_the_model_logs_carries_the_request() -> None:
    seen = []
    run(runner(lambda: seen.append(request_id.get())))
    assert seen == ["r1"]


def test_a_call_changes_nothing_of_this_process() -> None:
    before = os.getcwd(), len(os.listdir("/proc/self/fd"))
    run(runner(lambda: 1))
    assert (os.getcwd(), len(os.listdir("/proc/self/fd"))) == before


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, {"ok": True, "detail": None}),
        (True, {"ok": True, "detail": None}),
        (False, {"ok": False, "detail": None}),
        ("warm", {"ok": True, "detail": "warm"}),
        (
            {"free": {1}, "what": int},
            {"ok": True, "detail": {"free": [1], "what": "<class 'int'>"}},
        ),
    ],
)
def test_what_a_model_says_of_its_health(said: Any, expected: dict[str, Any]) -> None:
    answer, _ = runner(health=lambda: said).run(Call(1, "health", ""), None)
    assert json.loads(answer.body or b"") == expected


@pytest.mark.parametrize(
    ("exc", "detail"), [(ValueError("no gpu"), "ValueError: no gpu"), (KeyError(), "KeyError")]
)
def test_a_health_that_raises_says_why(
    caplog: pytest.LogCaptureFixture, exc: Exception, detail: str
) -> None:
    """Where it was raised is nothing for clients, and stands in the log."""

    def health() -> None:
        raise exc

    answer, _ = runner(health=health).run(Call(1, "health", ""), None)
    assert json.loads(answer.body or b"") == {"ok": False, "detail": detail}
    assert "in health" in caplog.text


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_a_generator_yields_is_collected(kind: str) -> None:
    """Where nobody streams, whatever the client asked for."""

    def plain(accept: str = "") -> Iterator[str]:
        yield "a"
        yield "b"

    async def asynchronous(accept: str = "") -> AsyncIterator[str]:
        yield "a"
        yield "b"

    model = runner(plain if kind == "plain" else asynchronous)
    answer = run(model, arguments={}, stream="text/event-stream")
    assert json.loads(answer.body or b"")["predictions"] == ["a", "b"]
    answer = run(model, arguments={"accept": "text/plain"})
    assert (answer.content_type, answer.body) == ("text/plain", b"ab")


def test_an_async_predict_runs_to_its_end() -> None:
    async def predict(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    assert json.loads(run(runner(predict), arguments={"n": 1}).body or b"")["predictions"] == 2
