# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a generator yields reaches the client as it comes, and its end is always seen."""

import http.client
import json
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.harness import PATIENCE_S, Answer, Server, wait_for
from tests.integration.signals import Signals, serve_signalling

MODEL = "streams"
EVENTS, LINES = "text/event-stream", "application/x-ndjson"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    with serve_signalling(MODEL, tmp_path_factory.mktemp(MODEL)) as both:
        yield both


@pytest.fixture
def server(served: tuple[Server, Signals]) -> Server:
    return served[0]


def ask(server: Server, query: str, accept: str) -> Answer:
    return server.request(
        "POST", f"/v2/models/{MODEL}/predict/?{query}", headers={"Accept": accept}
    )


def open_stream(
    server: Server, query: str, accept: str
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Ask, and return the answer with nothing of its body read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("POST", f"/v2/models/{MODEL}/predict/?{query}", headers={"Accept": accept})
    return connection, connection.getresponse()


def test_items_come_as_events_lines_or_one_list(server: Server) -> None:
    items = [{"n": n} for n in range(3)]
    events = ask(server, "count=3", EVENTS)
    assert events.headers["Content-Type"].startswith(EVENTS)
    assert events.text == "".join(f'data: {{"n":{n}}}\n\n' for n in range(3))
    lines = ask(server, "count=3", LINES)
    assert lines.headers["Content-Type"].startswith(LINES)
    assert [json.loads(line) for line in lines.text.splitlines()] == items
    whole = ask(server, "count=3", "application/json")
    assert whole.json == {"status": "OK", "predictions": items}
    assert ask(server, "count=3", "*/*").json["predictions"] == items
    for answer in (events, lines):
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_media_type_of_the_models_own_is_sent_as_it_is(server: Server) -> None:
    answer = ask(server, "count=3&size=1000&accept=image/png", "*/*")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.body == bytes(3000)


def test_an_empty_stream(server: Server) -> None:
    for accept in (EVENTS, LINES):
        answer = ask(server, "count=0", accept)
        assert (answer.status, answer.body) == (200, b"")
    assert ask(server, "count=0", "application/json").json["predictions"] == []


def test_an_error_in_the_middle_is_seen_once_behind_what_came_before(server: Server) -> None:
    error = {"error": {"type": "ValueError", "message": "no more of them"}}
    lines = ask(server, "count=2&fails=raises", LINES)
    assert [json.loads(line) for line in lines.text.splitlines()] == [{"n": 0}, {"n": 1}, error]
    events = ask(server, "count=1&fails=raises", EVENTS)
    item, told, rest = events.text.split("\n\n")
    assert (item, rest) == ('data: {"n":0}', "")
    name, data = told.split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: ")) == error
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "count=2&size=10&accept=image/png&fails=raises", "*/*")
    # All at once, it is an error like any other; so it is before the first item.
    assert ask(server, "count=2&fails=raises", "*/*").status == 500
    assert ask(server, "count=0&fails=raises", LINES).status == 500
    assert "raise ValueError" in server.output()


def test_a_client_that_leaves_closes_the_generator(served: tuple[Server, Signals]) -> None:
    server, signals = served
    before = len(signals.notes("closed"))
    connection, response = open_stream(server, "count=100000000&size=1000", LINES)
    assert response.read(2000)
    connection.close()
    closed = signals.wait_note("closed", count=before + 1)
    assert int(closed[-1]) < 100_000_000 - 1
    assert ask(server, "count=1", LINES).status == 200


def test_a_slow_client_holds_the_model_back(served: tuple[Server, Signals]) -> None:
    """600 MB that nobody reads are neither computed nor held anywhere."""
    server, signals = served
    before = len(signals.notes("closed"))
    process = psutil.Process(server.pid)
    memory = process.memory_info().rss
    connection, response = open_stream(server, "count=6000&size=100000", LINES)
    [worker] = server.running("worker predict")
    wait_for(lambda: at_rest(worker))
    assert process.memory_info().rss - memory < 100_000_000
    connection.close()
    closed = signals.wait_note("closed", count=before + 1)
    assert int(closed[-1]) < 3000
    del response


def at_rest(process: psutil.Process) -> bool:
    """Whether a process does next to nothing for a while."""
    return process.cpu_percent(0.3) < 10.0


def test_a_worker_that_dies_in_the_middle_is_seen(served: tuple[Server, Signals]) -> None:
    server, signals = served
    connection, response = open_stream(server, "count=2&fails=dies", LINES)
    assert response.readline() == b'{"n":0}\n'
    assert response.readline() == b'{"n":1}\n'
    signals.allow("die")
    error = json.loads(response.readline())["error"]
    assert error["type"] == "WorkerDied"
    assert response.read() == b""
    connection.close()
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "count=2&size=10&accept=image/png&fails=dies", "*/*")
    assert ask(server, "count=1", LINES).status == 200
