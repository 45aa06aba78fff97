# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a generator yields goes out item by item, whether it is plain or asynchronous."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import InvalidAnswer
from deepaas.execution.messages import Answer, Resume, StreamData, StreamEnd, StreamStart
from deepaas.execution.streaming import EVENT_STREAM, NDJSON, WINDOW_BYTES, form_of
from tests.unit.execution.counterpart import Counterpart
from tests.unit.parts import PATIENCE_S, wait_for

MODEL = """
import asyncio, os, sys, time
from pathlib import Path
from marshmallow import fields

def note(text):
    with open("notes", "a") as file:
        file.write(text + "\\n")

def items(how="", count=3, size=0, accept=""):
    if how == "raise at once":
        raise ValueError("too early")
    for number in range(count):
        if how == "raise" and number == 2:
            raise ValueError("half\\nway")
        if how == "missing file" and number == 2:
            raise FileNotFoundError("no weights")
        if how == "exit" and number == 2:
            sys.exit(5)
        if how == "unencodable" and number == 2:
            yield object()
        if how == "fork" and number == 2:
            child = os.fork()
            if child:
                os.waitpid(child, 0)
        if how == "fork and raise" and number == 2:
            child = os.fork()
            if not child:
                raise ValueError("the child's")
            os.waitpid(child, 0)
        try:
            note(f"yields {number}")
            yield size * "x" or number
        except (GeneratorExit, asyncio.CancelledError):
            note("closed")
            if how == "resist":
                yield "more"
            if how == "fail on close":
                raise ValueError("in the end")
            raise
    note("done")
"""

PLAIN = MODEL + "predict = items"
ASYNC = PLAIN.replace("def items", "async def items")
ASYNC_WAITING = ASYNC.replace('note(f"yields', 'await asyncio.sleep(0)\n            note(f"yields')

#: Its items come through a coroutine that returns a plain generator.
RETURNED = MODEL + "async def predict(**kwargs): return items(**kwargs)"

KINDS = {"plain": PLAIN, "async": ASYNC_WAITING, "never waits": ASYNC, "returned": RETURNED}


@pytest.fixture(params=KINDS)
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Lend a worker of each kind."""
    with Counterpart.of(KINDS[request.param], tmp_path) as worker:
        yield worker


def streamed(worker: Counterpart, call_id: int) -> tuple[StreamStart, bytes, StreamEnd]:
    """Read a whole stream, passing everything on."""
    start, _ = worker.hear()
    assert isinstance(start, StreamStart), start
    assert start.call_id == call_id
    received = b""
    while True:
        message, _ = worker.hear()
        if isinstance(message, StreamEnd):
            return start, received, message
        assert isinstance(message, StreamData), message
        assert message.call_id == call_id
        received += message.data
        worker.pass_on(start.slot, len(received))


def notes(tmp_path: Path) -> list[str]:
    """Return what the model noted."""
    path = tmp_path / "notes"
    return path.read_text().splitlines() if path.exists() else []


def test_items_become_events_or_lines(worker: Counterpart) -> None:
    worker.stream(1, EVENT_STREAM)
    worker.stream(2, NDJSON, count=2)
    parts = [worker.hear()[0] for _ in range(9)]
    for call_id, media_type, text in (
        (1, EVENT_STREAM, b"data: 0\n\ndata: 1\n\ndata: 2\n\n"),
        (2, NDJSON, b"0\n1\n"),
    ):
        start, *data, end = (part for part in parts if part.call_id == call_id)
        assert start.content_type == media_type
        assert b"".join(part.data for part in data) == text
        assert end == StreamEnd(call_id)
    assert worker.stop() == 0
    assert worker.page.running == []


def test_who_wants_json_gets_a_list(worker: Counterpart) -> None:
    worker.call(1)
    message, _ = worker.hear()
    assert message.body == b'{"status":"OK","predictions":[0,1,2]}'


def test_a_media_type_of_the_models_own(worker: Counterpart) -> None:
    worker.stream(1, EVENT_STREAM, size=5, count=2, accept="text/plain")
    start, received, end = streamed(worker, 1)
    assert (start.content_type, received, end.failure) == ("text/plain", b"xxxxx" * 2, None)


def test_an_empty_generator_is_an_empty_stream(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, count=0)
    assert streamed(worker, 1)[1] == b""


def test_what_fails_before_the_first_item_has_a_status(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, how="raise at once")
    answer, _ = worker.hear()
    assert isinstance(answer, Answer)
    assert answer.failure is not None
    assert answer.failure.text == "too early"
    worker.stream(2, NDJSON, count=1)
    assert streamed(worker, 2)[1] == b"0\n"


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("raise", "ValueError", "half\nway"),
        ("missing file", "FileNotFoundError", "no weights"),
        (
            "unencodable",
            "InvalidAnswer",
            "The model's answer cannot be written as JSON: object at 'the top'.",
        ),
    ],
)
def test_a_failure_in_the_middle_is_told_at_the_end(
    worker: Counterpart, how: str, kind: str, text: str
) -> None:
    """Nothing of it is among the items: what clients may see of it the server knows."""
    worker.stream(1, NDJSON, how=how)
    _, received, end = streamed(worker, 1)
    assert received == b"0\n1\n"
    assert end.failure is not None
    assert (end.failure.type_name, end.failure.text) == (kind, text)
    assert "Traceback" in end.failure.traceback
    worker.stream(2, NDJSON, count=1)
    assert streamed(worker, 2)[1] == b"0\n"


@pytest.mark.parametrize("how", ["", "resist", "fail on close"])
def test_who_leaves_closes_the_generator(worker: Counterpart, tmp_path: Path, how: str) -> None:
    """Whatever the generator makes of it."""
    worker.stream(1, NDJSON, how=how, count=10**9, size=1000)
    for _ in range(3):
        worker.hear()
    worker.cancel(1)
    while not isinstance(message := worker.hear()[0], StreamEnd):
        pass
    assert message.failure is None
    assert "closed" in notes(tmp_path)
    wait_for(lambda: not worker.page.running)
    worker.stream(2, NDJSON, count=1)
    assert streamed(worker, 2)[1] == b"0\n"


def test_a_model_waits_for_its_client(worker: Counterpart, tmp_path: Path) -> None:
    size = 10_000
    worker.stream(1, NDJSON, count=200, size=size)
    start, _ = worker.hear()
    received = 0
    deadline = time.monotonic() + PATIENCE_S
    # More cannot come before something has been passed on.
    while received < WINDOW_BYTES:
        assert time.monotonic() < deadline
        received += len(worker.hear()[0].data)
    assert received < WINDOW_BYTES + 2 * size
    assert "done" not in notes(tmp_path)
    while True:
        worker.pass_on(start.slot, received)
        message, _ = worker.hear()
        if isinstance(message, StreamEnd):
            break
        received += len(message.data)
    assert received == 200 * (size + 3)


def test_a_word_that_got_lost_stops_nothing(worker: Counterpart) -> None:
    """The server noted what it has passed on, and could not say so."""
    worker.stream(1, NDJSON, count=200, size=10_000)
    start, _ = worker.hear()
    received = 0
    while not isinstance(message := worker.hear()[0], StreamEnd):
        received += len(message.data)
        worker.page.set_passed_on(start.slot, received)
    assert received == 200 * 10_003


def test_a_client_that_leaves_while_the_model_waits_for_it(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, count=10**9, size=100_000)
    for _ in range(5):
        worker.hear()
    worker.cancel(1)
    while not isinstance(worker.hear()[0], StreamEnd):
        pass


def test_a_server_that_does_not_read_for_a_while(worker: Counterpart, tmp_path: Path) -> None:
    """The ring fills up before the window does, and nothing is lost."""
    worker.stream(1, NDJSON, count=60_000)
    wait_for(lambda: len(notes(tmp_path)) > 10_000)
    assert "done" not in notes(tmp_path)
    _, received, end = streamed(worker, 1)
    assert received == b"".join(b"%d\n" % number for number in range(60_000))
    assert end.failure is None


def test_an_item_larger_than_everything(worker: Counterpart) -> None:
    size = 3 * WINDOW_BYTES
    worker.stream(1, NDJSON, count=2, size=size)
    assert streamed(worker, 1)[1] == 2 * (b'"' + size * b"x" + b'"\n')


def test_a_server_that_stops_lets_a_stream_go_on(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, count=100, size=10_000)
    start, _ = worker.hear()
    worker.page.request_stop()
    worker.control.send(Resume())
    received = 0
    while not isinstance(message := worker.hear()[0], StreamEnd):
        received += len(message.data)
        worker.page.set_passed_on(start.slot, received)
    assert received == 100 * 10_003
    assert worker.stop() == 0


def test_a_server_that_is_gone_ends_a_stream(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, count=10**9, size=100)
    worker.hear()
    worker.control.close()
    worker.calls.close()
    assert worker.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("how", ["fork", "fork and raise"])
def test_a_fork_in_a_generator_says_nothing(worker: Counterpart, how: str) -> None:
    worker.stream(1, NDJSON, how=how)
    assert streamed(worker, 1)[1] == b"0\n1\n2\n"


def test_a_generator_that_ends_its_process(worker: Counterpart) -> None:
    worker.stream(1, NDJSON, how="exit")
    assert worker.process.wait(PATIENCE_S) == 5
    assert [call.call_id for call in worker.page.running] == [1]
    start, first, second = (worker.hear()[0] for _ in range(3))
    assert isinstance(start, StreamStart)
    assert first.data + second.data == b"0\n1\n"


def test_a_worker_that_is_killed_leaves_what_it_sent(worker: Counterpart, tmp_path: Path) -> None:
    worker.stream(1, NDJSON, count=10**9)
    wait_for(lambda: len(notes(tmp_path)) > 100)
    os.kill(worker.process.pid, 9)
    worker.process.wait(PATIENCE_S)
    assert isinstance(worker.hear()[0], StreamStart)
    for number in range(100):
        assert worker.hear()[0].data == b"%d\n" % number


def test_the_first_item_comes_before_the_second_is_made(tmp_path: Path) -> None:
    """And each of those that come slowly."""
    model = """
import os, time
def predict():
    for number in range(3):
        yield number
        while not os.path.exists(f"go {number}"):
            time.sleep(0.001)
"""
    with Counterpart.of(model, tmp_path) as worker:
        worker.stream(1, NDJSON)
        assert isinstance(worker.hear()[0], StreamStart)
        for number in range(3):
            assert worker.hear()[0].data == b"%d\n" % number
            (tmp_path / f"go {number}").touch()
        assert worker.hear()[0] == StreamEnd(1)


@pytest.mark.parametrize(
    ("accept", "wanted", "media_type"),
    [
        (None, "", None),
        ("application/json", "", None),
        ("application/json; charset=utf-8", NDJSON, NDJSON),
        ("*/*", EVENT_STREAM, EVENT_STREAM),
        ("image/png", EVENT_STREAM, "image/png"),
        ("image/png", "", "image/png"),
        ("text/event-stream", "", EVENT_STREAM),
        ("no media type\r\n", "", "application/octet-stream"),
        (7, NDJSON, NDJSON),
        (None, "text/html", None),
    ],
)
def test_the_form_that_is_chosen(accept: Any, wanted: str, media_type: str | None) -> None:
    form = form_of(wanted, accept)
    assert (form and form.content_type) == media_type


@pytest.mark.parametrize("accept", [EVENT_STREAM, f"{EVENT_STREAM}; charset=utf-8", NDJSON])
def test_a_model_may_write_the_format_itself(accept: str) -> None:
    """Then text and bytes are sent as they are, and objects are put into the format."""
    form = form_of("", accept)
    assert form is not None
    assert form.content_type == accept
    assert form.encode(": still here\n\n") == b": still here\n\n"
    assert form.encode(b"\xff") == b"\xff"
    assert form.encode({"a": "\n"}).rstrip(b"\n").removeprefix(b"data: ") == b'{"a":"\\n"}'


@pytest.mark.parametrize(
    "refused", [lambda: form_of(NDJSON, None), lambda: form_of(EVENT_STREAM, None)]
)
def test_bytes_are_no_json_item(refused: Callable[[], Any]) -> None:
    with pytest.raises(InvalidAnswer, match="bytes"):
        refused().encode(b"png")


def test_objects_are_no_raw_item() -> None:
    form = form_of("", "image/png")
    assert form is not None
    with pytest.raises(InvalidAnswer, match="yielded a dict"):
        form.encode({})
