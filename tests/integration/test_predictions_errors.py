# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model raises becomes a clear answer, and never a dead worker or a hanging client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve
from tests.integration.signals import Signals, serve_signalling

RAISES = "raises_in_predict"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    with serve_signalling(RAISES, tmp_path_factory.mktemp("raises")) as both:
        yield both


@pytest.fixture
def server(served: tuple[Server, Signals]) -> Iterator[Server]:
    """The one server of this module; whatever a test does, the same worker must go on."""
    server, _ = served
    [before] = server.running("worker predict")
    yield server
    assert server.predict(RAISES).json["predictions"] == "fine"
    assert [process.pid for process in server.running("worker predict")] == [before.pid]


@pytest.mark.row("C60", "C63")
@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        ("ValueError", 500, "500: ValueError: seven is not a colour"),
        ("HTTPBadRequest", 400, "400: no cat in the picture"),
        ("exception as reason", 400, "400: no dog\nin the picture"),
        ("HTTPException", 500, "500: no bird"),
        ("mute reason", 400, "400: (its text cannot be made: RuntimeError)"),
        ("half a character", 400, "400: no file \\udcff"),
        ("control characters", 400, "400: \x1b[31mred\x00"),
        ("a long reason", 400, "400: " + "x" * 100_000),
        ("no text", 500, "500: Mute: (its text cannot be made: RuntimeError)"),
        ("text of another class", 500, "500: Localized: nicht gut"),
        ("InvalidInput", 400, "400: the picture is too small"),
        ("MemoryError", 500, "500: MemoryError: 9 GB"),
        ("KeyboardInterrupt", 500, "500: KeyboardInterrupt"),
        ("StopIteration", 500, "500: StopIteration"),
    ],
)
def test_an_exception_is_answered_with_its_type_and_text(
    server: Server, what: str, status: int, text: str
) -> None:
    answer = server.predict(RAISES, what=what)
    assert (answer.status, answer.text) == (status, text)
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.row("C61")
def test_a_traceback_is_in_the_log_with_the_request_id_and_not_in_the_answer(
    server: Server,
) -> None:
    answer = server.request(
        "POST",
        f"/v2/models/{RAISES}/predict/?what=ValueError",
        headers={"X-Request-ID": "the-request-of-this-test"},
    )
    assert answer.headers["X-Request-ID"] == "the-request-of-this-test"
    assert "Traceback" not in answer.text
    assert "/" not in answer.text
    _, mark, entry = server.output().rpartition("[the-request-of-this-test]")
    assert mark
    assert "Traceback" in entry
    assert "raises_in_predict.py" in entry
    assert 'raise ValueError("seven is not a colour")' in entry


@pytest.mark.parametrize(
    ("what", "told"),
    [("HTTPBadRequest", "HTTPBadRequest (400)."), ("InvalidInput", "InvalidInput (400).")],
)
def test_a_mistake_of_a_client_is_one_line_of_the_log(server: Server, what: str, told: str) -> None:
    answer = server.predict(RAISES, what=what)
    mark = f"[{answer.headers['X-Request-ID']}]"
    [line] = [line for line in server.output().splitlines() if mark in line]
    assert " INFO " in line
    assert line.endswith(f"The model {RAISES} refused a call: {told}")
    after = server.output().partition(line)[2]
    assert "Traceback" not in after


def test_a_mistake_of_a_client_has_its_traceback_with_debug(tmp_path: Path) -> None:
    with serve_signalling(RAISES, tmp_path, "--debug") as (server, _):
        server.predict(RAISES, what="InvalidInput")
        assert 'raise InvalidInput("the picture is too small")' in server.output()


def test_messages_of_objects_that_the_server_does_not_know_reach_the_client_as_text(
    server: Server,
) -> None:
    answer = server.predict(RAISES, picky="object")
    assert answer.status == 422
    assert answer.json["picky"][0] == "not you"
    assert "Mute" in answer.json["picky"][1]


def test_an_answer_that_cannot_be_json_is_a_clear_500(tmp_path: Path) -> None:
    with serve("answers_in_every_way", tmp_path) as server:
        answer = server.predict("answers_in_every_way", how="object")
        assert answer.status == 500
        assert answer.text == (
            "500: The model's answer cannot be written as JSON: object at 'predictions.a[0]'."
        )
        wrong = server.predict("answers_in_every_way", how="list", accept="image/png")
        assert wrong.status == 500
        assert "a list where image/png was asked for" in wrong.text
        assert server.predict("answers_in_every_way", text="x").json["predictions"] == "x"


@pytest.mark.row("C57", "C80")
def test_a_model_without_predict_answers_501_and_keeps_serving_its_metadata(
    tmp_path: Path,
) -> None:
    with serve("has_no_predict", tmp_path) as server:
        answer = server.predict("has_no_predict")
        assert answer.status == 501
        assert answer.text.startswith("501: Not implemented by underlying model (loaded '")
        assert server.get("/v2/models/has_no_predict/").json["description"] == "idle"
        assert server.predict("nobody").status == 404
