# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a training made is put into service while calls go on, and taken out again."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.versions import (
    MODEL,
    PATH,
    Load,
    health,
    promote,
    promoted,
    rollback,
    said,
    states,
    trained,
    versions,
)

NOBODY = "0" * 32


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(MODEL, tmp_path) as running:
        yield running


def test_a_training_is_promoted_and_what_it_made_is_served(server: Server) -> None:
    assert said(server) == (0, "nothing")
    assert versions(server) == [
        {
            "version": 0,
            "state": "served",
            "served": True,
            "job": None,
            "promoted": None,
            "promoted_by": None,
            "reason": None,
            "metrics": None,
            "evaluation": None,
            "links": [],
        }
    ]
    job = trained(server, "meow")
    answer = promote(server, job)
    assert answer.status == 200
    shown = answer.json
    assert shown.pop("promoted").endswith("+00:00")
    assert shown == {
        "version": 1,
        "state": "served",
        "served": True,
        "job": job,
        "promoted_by": None,
        "reason": None,
        "metrics": {"loss": 4},
        "evaluation": None,
        "links": [{"rel": "job", "href": f"{PATH}/jobs/{job}"}],
    }
    assert said(server) == (1, "meow")
    assert states(server) == {1: "served", 0: "previous"}
    assert health(server) == {
        "status": "ready",
        "name": MODEL,
        "workers": 1,
        "reason": None,
        "version": 1,
        "version_problem": None,
    }
    # Once more changes nothing.
    assert promote(server, job).json["version"] == 1
    assert len(versions(server)) == 2


def test_calls_go_on_while_a_version_is_promoted(tmp_path: Path) -> None:
    """Each worker answers for one version only; the workers follow one by one."""
    with serve(MODEL, tmp_path, "--workers=2") as server:
        first, second = trained(server, "meow"), trained(server, "purr")
        with Load(server) as load:
            for job in (first, second):
                assert promote(server, job).status == 200
                load.wait_for_more()
            wait_for(lambda: len(server.running("worker predict")) == 2)
            assert rollback(server).json["version"] == 1
            wait_for(lambda: len(server.running("worker predict")) == 2)
            wait_for(lambda: {said(server) for _ in range(10)} == {(1, "meow")})
        seen = load.check({"0": "nothing", "1": "meow", "2": "purr"})
        assert list(dict.fromkeys(seen)) == ["0", "1", "2"]
        assert seen[-1] == "1"
        assert states(server) == {2: "previous", 1: "served", 0: "previous"}


def test_a_streamed_answer_and_one_in_flight_say_who_answered(tmp_path: Path) -> None:
    with serve(MODEL, tmp_path) as server:
        job = trained(server, "meow")
        slow = server.in_background(lambda: server.predict(MODEL, pause=2))
        wait_for(lambda: health(server)["workers"])
        server.get("/v2/health/live")
        assert promote(server, job).status == 200
        assert said(server) == (1, "meow")
        assert not slow.done()
        answer = slow.result()
        assert (answer.status, answer.headers["X-Model-Version"]) == (200, "0")
    model = tmp_path / "streaming.py"
    model.write_text("def predict():\n    yield from 'ab'\n")
    with serve(model, tmp_path) as server:
        streamed = server.request(
            "POST", "/v2/models/streaming/predict/", headers={"Accept": "text/event-stream"}
        )
        assert b"data:" in streamed.body
        assert streamed.headers["X-Model-Version"] == "0"


@pytest.mark.parametrize(
    ("how", "why"), [("raise", "ValueError: these weights are of no use"), ("die", "signal 15")]
)
def test_a_version_that_cannot_be_loaded_changes_nothing(
    server: Server, how: str, why: str
) -> None:
    promoted(server, "meow")
    bad = trained(server, "hiss", how=how)
    with Load(server) as load:
        answer = promote(server, bad)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert why in answer.json["detail"]
    assert set(load.check({"1": "meow"})) == {"1"}
    failed = versions(server)[0]
    assert (failed["version"], failed["state"], failed["served"]) == (2, "failed", False)
    assert why in failed["reason"]
    wait_for(lambda: len(server.running("worker predict")) == 1)
    assert health(server)["version"] == 1


def test_a_candidate_that_is_killed_is_loaded_alone(server: Server, tmp_path: Path) -> None:
    """It may have been for want of memory: what is served stops first, and calls wait."""
    noted = tmp_path / "noted"
    gate = tmp_path / "gate"
    job = trained(server, "meow", noted=noted, gate=gate)
    promoting = server.in_background(lambda: promote(server, job))
    first = int(wait_for(lambda: noted.exists() and noted.read_text()))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(noted.read_text().split()) == 2)
    assert len(server.running("worker predict")) == 1
    waiting = server.in_background(lambda: server.predict(MODEL))
    assert states(server) == {1: "candidate", 0: "served"}
    gate.touch()
    assert promoting.result().status == 200
    assert waiting.result().json["predictions"] == "meow"
    assert "does not fit beside" in server.output()


def test_a_candidate_for_which_memory_is_never_enough_leaves_what_was_served(
    server: Server,
) -> None:
    job = trained(server, "hiss", how="memory")
    with Load(server) as load:
        answer = promote(server, job)
    assert answer.status == 422
    assert "MemoryError: no room for the weights" in answer.json["detail"]
    assert set(load.check({"0": "nothing"})) == {"0"}


def test_in_place_what_is_served_ends_before_the_next_one_loads(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    noted = tmp_path / "noted"
    with serve(MODEL, tmp_path, "--promote-in-place", "--workers=2") as server:
        job = trained(server, "meow", gate=gate, noted=noted)
        with Load(server) as load:
            promoting = server.in_background(lambda: promote(server, job))
            wait_for(noted.exists)
            # The other worker goes on.
            load.wait_for_more()
            assert len(server.running("worker predict")) == 2
            gate.touch()
            assert promoting.result().status == 200
            wait_for(lambda: len(noted.read_text().split()) == 2)
            wait_for(lambda: {said(server) for _ in range(10)} == {(1, "meow")})
        load.check({"0": "nothing", "1": "meow"})
        bad = trained(server, "hiss", how="raise")
        with Load(server) as load:
            assert promote(server, bad).status == 422
        assert set(load.check({"1": "meow"})) == {"1"}
        wait_for(lambda: health(server)["workers"] == 2)


def test_what_cannot_be_promoted_is_refused(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    assert promote(server, NOBODY).status == 404
    empty = trained(server, "meow", keep="false")
    answer = promote(server, empty)
    assert answer.status == 409
    assert "left nothing in artifact_dir()" in answer.json["detail"]
    good, waiting = trained(server, "meow"), trained(server, "purr", gate=gate)
    failed = server.train(MODEL, say="", how="x\ny")["uuid"]
    server.delete(f"{PATH}/train/{failed}")
    assert "only one that is done" in promote(server, failed).json["detail"]
    # One at a time, of a model.
    first = server.in_background(lambda: promote(server, waiting))
    wait_for(lambda: states(server) == {1: "candidate", 0: "served"})
    for answer in (promote(server, good), promote(server, waiting), rollback(server, 1)):
        assert answer.status == 409
        assert "Version 1" in answer.json["detail"]
        assert "is being promoted" in answer.json["detail"]
    gate.touch()
    assert first.result().status == 200
    assert promote(server, good).json["version"] == 2
    gate.unlink()
    # One that does not end is called off.
    assert rollback(server, 0).status == 200
    hanging = server.in_background(lambda: promote(server, waiting))
    wait_for(lambda: states(server)[1] == "candidate")
    assert rollback(server, 0).status == 200
    assert hanging.result().status == 409
    assert states(server) == {2: "previous", 1: "previous", 0: "served"}


def test_a_long_promotion_need_not_be_waited_for(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = trained(server, "meow", gate=gate)
    answer = promote(server, job, Prefer="wait=1, Respond-Async")
    assert (answer.status, answer.json["state"]) == (202, "candidate")
    assert answer.headers["Location"] == f"{PATH}/versions/"
    assert said(server) == (0, "nothing")
    # Neither does it end with whoever asked for it.
    gate.touch()
    wait_for(lambda: states(server) == {1: "served", 0: "previous"})
    assert said(server) == (1, "meow")
    again = promote(server, job, Prefer="respond-async")
    assert (again.status, again.json["state"]) == (200, "served")


def test_a_client_that_leaves_does_not_end_a_promotion(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = trained(server, "meow", gate=gate)
    connection = server.send(f"{PATH}/jobs/{job}/promote")
    wait_for(lambda: states(server) == {1: "candidate", 0: "served"})
    connection.close()
    gate.touch()
    wait_for(lambda: said(server) == (1, "meow"))


def test_any_version_can_be_restored(server: Server) -> None:
    assert rollback(server).status == 409
    for say in ("meow", "purr"):
        promoted(server, say)
    for expected in ((1, "meow"), (2, "purr")):
        answer = rollback(server)
        assert (answer.status, answer.json["version"]) == (200, expected[0])
        assert said(server) == expected
    assert rollback(server, 0).json["version"] == 0
    assert said(server) == (0, "nothing")
    assert rollback(server).json["version"] == 2
    body = server.request(
        "POST",
        f"{PATH}/versions/rollback",
        body=json.dumps({"version": 1}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert (body.status, body.json["version"]) == (200, 1)
    assert rollback(server, 7).status == 404
    wrong = rollback(server, -1)
    assert (wrong.status, list(wrong.json["errors"])) == (422, ["version"])
    assert server.request("POST", "/v2/models/nobody/versions/rollback").status == 404


def test_a_training_begins_with_what_is_served(server: Server) -> None:
    first = promoted(server, "meow")
    second = server.wait_training(MODEL, trained(server, "purr"))
    assert second["result"]["output"]["began with"] == "meow"
    assert second["result"]["output"]["in"].endswith(f"/jobs/{first}/artifacts")


def test_the_choice_survives_a_restart(tmp_path: Path) -> None:
    with serve(MODEL, tmp_path) as server:
        promoted(server, "meow")
        job = trained(server, "purr")
    for options in ([], ["--workers=0"], ["--workers=2"]):
        with serve(MODEL, tmp_path, *options) as server:
            assert said(server) == (1, "meow")
            assert states(server)[1] == "served"
            if options == ["--workers=0"]:
                refused = promote(server, job)
                assert refused.status == 409
                assert "--workers 0" in refused.json["detail"]
                assert states(server) == {1: "served", 0: "previous"}
    with serve(MODEL, tmp_path) as server:
        assert promote(server, job).status == 200
        assert said(server) == (2, "purr")


def test_renewal_and_crashes_keep_the_version(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serve(MODEL, tmp_path) as server:
        promoted(server, "meow")
        job = trained(server, "purr", gate=gate)
        with ThreadPoolExecutor(1) as pool:
            promoting = pool.submit(promote, server, job)
            wait_for(lambda: len(server.running("worker predict")) == 2)
            old, candidate = sorted(
                server.running("worker predict"), key=lambda each: each.create_time()
            )
            # A replacement serves what is served, while another is promoted.
            old.kill()
            wait_for(lambda: said(server) == (1, "meow"))
            os.kill(server.pid, signal.SIGUSR1)
            gate.touch()
            assert promoting.result().status == 200
        wait_for(lambda: "is loaded anew" in server.output())
        wait_for(lambda: len(server.running("worker predict")) == 1)
        assert said(server) == (2, "purr")
        (worker,) = server.running("worker predict")
        assert worker.pid != candidate.pid
        worker.kill()
        wait_for(lambda: health(server)["workers"] == 0)
        assert said(server) == (2, "purr")


def test_a_server_that_is_stopped_meanwhile_leaves_what_was_served(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serve(MODEL, tmp_path) as server:
        job = trained(server, "meow", gate=gate)
        promoting = server.in_background(lambda: promote(server, job))
        wait_for(lambda: states(server) == {1: "candidate", 0: "served"})
        server.signal(signal.SIGTERM)
        assert promoting.result().status == 503
        assert server.wait_end() == 0
    with serve(MODEL, tmp_path) as server:
        assert said(server) == (0, "nothing")
        assert states(server) == {1: "failed", 0: "served"}
        assert "shutting down" in versions(server)[0]["reason"]
        gate.touch()
        assert promote(server, job).json["state"] == "served"


def test_what_models_say_can_be_hidden(tmp_path: Path) -> None:
    with serve(MODEL, tmp_path, "--hide-model-errors") as server:
        job = trained(server, "hiss", how="raise")
        answer = promote(server, job)
        assert answer.status == 422
        assert "of no use" not in answer.text + server.get(f"{PATH}/versions/").text
        assert "of no use" in server.output()


def test_a_model_that_keeps_its_weights_elsewhere_is_warmed_anew(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    model = tmp_path / "elsewhere.py"
    model.write_text(
        f"from pathlib import Path\nfrom webargs import fields\nWEIGHTS = Path({str(weights)!r})\n"
        "said = WEIGHTS.read_text() if WEIGHTS.exists() else 'nothing'\n"
        "def predict():\n    return said\n"
        "def get_train_args():\n    return {'say': fields.Str()}\n"
        "def train(say):\n    WEIGHTS.write_text(say)\n    assert say != 'hiss'\n"
    )
    with serve(model, tmp_path, "--rewarm-after-train", "--workers=2") as server:

        def all_say(text: str) -> bool:
            answers = [server.predict("elsewhere") for _ in range(10)]
            assert {each.status for each in answers} == {200}
            return {each.json["predictions"] for each in answers} == {text}

        for say in ("meow", "purr"):
            server.wait_training("elsewhere", server.train("elsewhere", say=say)["uuid"])
            wait_for(lambda say=say: all_say(say))  # type: ignore[misc]
        before = server.output().count("is loaded anew")
        server.wait_training("elsewhere", server.train("elsewhere", say="hiss")["uuid"])
        server.wait_training("elsewhere", server.train("elsewhere", say="mew")["uuid"])
        wait_for(lambda: server.output().count("is loaded anew") == before + 1)
        assert all_say("mew")
