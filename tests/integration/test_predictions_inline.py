# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""With --workers 0 a model runs in the server, for debuggers; with --reload it follows its file."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.signals import serve_signalling

MODEL, WAITS = "does_what_is_asked", "waits_in_predict"


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_signalling(MODEL, tmp_path_factory.mktemp(MODEL), "--workers=0") as (server, _):
        yield server


def test_a_model_in_the_server_predicts(inline: Server) -> None:
    assert inline.predict(MODEL, call="x").json["predictions"] == "x"
    assert inline.predict_json(MODEL, {"call": "y" * 400_000}).json["predictions"] == "y" * 400_000
    assert inline.running("worker predict") == []
    assert inline.get("/v2/health/ready").status == 200


def test_a_model_in_the_server_fails_as_elsewhere(inline: Server) -> None:
    assert inline.predict(MODEL, how="runs out of memory").status == 500
    assert "Unpicklable" in inline.predict(MODEL, how="unpicklable").text
    assert inline.predict(MODEL, call="x").status == 200


def test_a_model_in_the_server_trains_in_a_process_of_its_own(inline: Server) -> None:
    ended = inline.wait_training(MODEL, inline.train(MODEL)["uuid"])
    assert ended["status"] == "done"


def test_a_model_in_the_server_reads_uploads_and_returns_files(tmp_path: Path) -> None:
    with serve("answers_in_every_way", tmp_path, "--workers=0") as server:
        path = "/v2/models/answers_in_every_way/predict/?how=file&size=512&accept=image/png"
        before = server.open_files()
        for _ in range(10):
            answer = server.request("POST", path)
            assert answer.body == bytes(range(256)) * 2
        assert server.open_files() <= before + 3


def test_ctrl_c_ends_a_server_whose_model_runs(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--workers=0", "--shutdown-grace=0.3") as (
        server,
        signals,
    ):
        running = server.send(f"/v2/models/{WAITS}/predict/?call=x&until=never")
        signals.wait_note("begins x")
        assert server.get("/v2/health/live").status == 200
        os.killpg(server.pid, signal.SIGINT)
        assert running.getresponse().status == 503
        running.close()
        assert server.wait_end(limit_s=20) == 0
        assert "Traceback" not in server.output()


# Reload


def write(path: Path, code: str) -> None:
    """Save a file as an editor does: anew, then in place of the old one."""
    draft = path.with_suffix(".draft")
    draft.write_text(code)
    draft.replace(path)


def test_a_model_follows_its_file_and_stays_as_it_was_while_that_cannot_be_loaded(
    tmp_path: Path,
) -> None:
    model = tmp_path / "edited.py"
    write(model, "def predict():\n    return 'first'\n")
    with serve(model, tmp_path, "--reload") as server:

        def answers(text: str) -> bool:
            answer = server.predict("edited")
            assert answer.status == 200  # all the while
            return bool(answer.json["predictions"] == text)

        assert answers("first")
        write(model, "def predict():\n    return 'the second'\n")
        wait_for(lambda: answers("the second"))
        write(model, "def predict(:\n")
        wait_for(lambda: "The model stays as it was." in server.output())
        assert "SyntaxError" in server.output()
        assert answers("the second")
        write(model, "def predict():\n    return 'mended'\n")
        wait_for(lambda: answers("mended"))
        wait_for(lambda: len(server.running("worker predict")) == 1)


def test_a_server_without_reload_stays_as_it_was(tmp_path: Path) -> None:
    model = tmp_path / "edited.py"
    write(model, "def predict():\n    return 'first'\n")
    with serve(model, tmp_path) as server:
        [before] = server.running("worker predict")
        write(model, "def predict():\n    return 'the second'\n")
        assert server.predict("edited").json["predictions"] == "first"
        assert [process.pid for process in server.running("worker predict")] == [before.pid]
