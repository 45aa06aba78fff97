# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""With --hide-model-errors, no client learns what a model's exception says; the log has it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import MODELS, Server, wait_for
from tests.integration.signals import Signals, serve_signalling

RAISES, TRAINS, WARMS = SERVED = ("raises_in_predict", "ends_in_train", "warms_when_allowed")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    models = ",".join(str(MODELS / f"{name}.py") for name in SERVED)
    folder = tmp_path_factory.mktemp("hides")
    with serve_signalling(models, folder, "--hide-model-errors") as both:
        yield both


@pytest.fixture
def server(served: tuple[Server, Signals]) -> Server:
    return served[0]


@pytest.mark.row("C62")
def test_an_exception_of_predict(server: Server) -> None:
    answer = server.request(
        "POST",
        f"/v2/models/{RAISES}/predict/?what=ValueError",
        headers={"X-Request-ID": "the-hidden-one"},
    )
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == (
        "500: The model raised an exception; the log of the service has it,"
        " under request the-hidden-one."
    )
    _, mark, entry = server.output().rpartition("[the-hidden-one]")
    assert mark
    assert 'raise ValueError("seven is not a colour")' in entry
    assert "ValueError: seven is not a colour" in entry


@pytest.mark.row("C62")
@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("HTTPBadRequest", "400: no cat in the picture"),
        ("InvalidInput", "400: the picture is too small"),
    ],
)
def test_what_a_model_means_for_clients_is_told(server: Server, what: str, text: str) -> None:
    answer = server.predict(RAISES, what=what)
    assert (answer.status, answer.text) == (400, text)


@pytest.mark.row("C62")
def test_the_message_of_a_training_that_failed(server: Server, tmp_path: Path) -> None:
    uuid = server.train(TRAINS, how="raises")["uuid"]
    path = f"/v2/models/{TRAINS}/train/"
    ended = server.wait_training(TRAINS, uuid)
    assert ended["status"] == "error"
    assert ended["message"] == "It failed; the log, which the service keeps, says why."
    assert server.get(path).json == [ended]
    assert server.delete(path + uuid).json == ended
    log = server.folder / "state" / "jobs" / uuid / "log"
    assert "the data are too small: 0 rows" in log.read_text()


@pytest.mark.row("C62")
def test_why_a_model_does_not_load(served: tuple[Server, Signals]) -> None:
    server, signals = served
    signals.allow("to fail")
    try:
        os.kill(server.predict(WARMS).json["predictions"], signal.SIGKILL)
        signals.wait_note("fails")
        wait_for(lambda: "the weights are gone" in server.output())
        answer = server.get("/v2/health/ready")
        assert answer.status == 503
        [model] = [each for each in answer.json["models"] if each["name"] == WARMS]
        assert model["reason"] == (
            "The model cannot be called at the moment; the log of the service says why."
        )
        assert "weights" not in answer.text + server.predict(WARMS).text
    finally:
        signals.forbid("to fail")
        server.wait_ready(limit_s=60)
