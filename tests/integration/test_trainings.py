# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings as clients of 2.6.0 know them: the contract's routes, shapes and words."""

import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import MODELS, Answer, Server, serve, wait_for
from tests.integration.state import State

SERVED = (
    "trains_well",
    "waits_in_train",
    "returns_odd_things",
    "reads_files_in_train",
    "sums_in_train",
    "shows_bars_in_train",
    "predicts_only",
)
#: 2.6.0 wrote str() of a naive local time, and of a timedelta.
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
DURATION = re.compile(r"\d+:\d\d:\d\d(\.\d{6})?")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("trainings") / "state")


@pytest.fixture(scope="module")
def shared(state: State) -> Iterator[Server]:
    models = ",".join(str(MODELS / f"{name}.py") for name in SERVED)
    folder = state.path.parent
    with serve(models, folder, "--train-workers=2", state_dir=state.path) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """One server for all of these tests; none leaves a training behind for the next."""
    yield shared
    for model in SERVED[:2]:
        for training in shared.get(f"/v2/models/{model}/train/").json:
            if training["status"] == "running":
                shared.delete(path(training, model))


def path(training: Any, model: str) -> str:
    return f"/v2/models/{model}/train/{training['uuid']}"


def post_json(server: Server, model: str, body: bytes) -> Answer:
    headers = {"Content-Type": "application/json"}
    return server.request("POST", f"/v2/models/{model}/train/", body=body, headers=headers)


def moment(text: str) -> datetime:
    assert DATE.fullmatch(text)
    return datetime.fromisoformat(text)


@pytest.mark.row("C64", "C65")
def test_an_accepted_training_is_answered_as_running(server: Server) -> None:
    training = server.train("trains_well", note="first")
    assert training.keys() == {"date", "args", "uuid", "status"}
    assert abs(datetime.now() - moment(training["date"])) < timedelta(minutes=5)
    assert training["args"] == {"epochs": 3, "note": "first"}
    assert re.fullmatch("[0-9a-f]{32}", training["uuid"])
    assert training["status"] == "running"


@pytest.mark.row("C65", "C67")
def test_a_training_that_ended_shows_its_result(server: Server) -> None:
    training = server.train("trains_well", epochs=2, names=["a", "b"])
    ended = server.wait_training("trains_well", training["uuid"])
    assert {name: ended[name] for name in ("date", "args", "uuid")} == {
        "date": training["date"],
        "args": {"epochs": 2, "names": ["a", "b"]},
        "uuid": training["uuid"],
    }
    assert ended["status"] == "done"
    result = ended["result"]
    assert result.keys() == {"output", "finish_date", "duration"}
    assert result["output"] == {"epochs": 2, "names": ["a", "b"]}
    assert moment(result["finish_date"]) > moment(training["date"])
    assert DURATION.fullmatch(result["duration"])


@pytest.mark.row("C71")
def test_the_list_is_a_bare_array_newest_last(server: Server) -> None:
    uuids = [server.train("trains_well", note=note)["uuid"] for note in "abc"]
    for uuid in uuids:
        server.wait_training("trains_well", uuid)
    listed = server.get("/v2/models/trains_well/train/").json
    assert [training["uuid"] for training in listed[-3:]] == uuids
    assert [training["args"]["note"] for training in listed[-3:]] == ["a", "b", "c"]
    shown = server.training("trains_well", uuids[-1])
    shown.pop("progress")
    assert listed[-1] == shown


def test_the_list_of_a_model_shows_no_training_of_another(server: Server) -> None:
    training = server.train("returns_odd_things")
    assert training["uuid"] not in server.get("/v2/models/trains_well/train/").text
    assert server.get(path(training, "trains_well")).status == 404


@pytest.mark.row("C56", "C75")
@pytest.mark.parametrize("uuid", ["0" * 32, "no-uuid", "..%2f..%2fetc"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_training_is_not_found(server: Server, method: str, uuid: str) -> None:
    answer = server.request(method, f"/v2/models/trains_well/train/{uuid}")
    assert (answer.status, answer.text) == (404, "404: Not Found")


def assert_is_gone(server: Server, model: str, training: Any) -> None:
    assert server.get(path(training, model)).status == 404
    assert server.delete(path(training, model)).status == 404
    assert training["uuid"] not in server.get(f"/v2/models/{model}/train/").text


@pytest.mark.row("C69", "C73", "C75")
def test_delete_of_a_running_training_answers_it_cancelled(
    server: Server, state: State, tmp_path: Path
) -> None:
    training = server.train("waits_in_train", gate=tmp_path / "gate")
    wait_for(lambda: state.row(training["uuid"])["state"] == "running")
    deleted = server.delete(path(training, "waits_in_train"))
    assert (deleted.status, deleted.json) == (200, {**training, "status": "cancelled"})
    assert_is_gone(server, "waits_in_train", training)
    wait_for(lambda: state.is_final(training["uuid"]))
    assert state.moves(training["uuid"]) == ["running", "cancelled"]


@pytest.mark.row("C66", "C73", "C75")
def test_delete_of_a_queued_training_answers_it_cancelled_and_it_never_runs(
    server: Server, state: State, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    for _ in range(2):
        server.train("waits_in_train", gate=gate)
    wait_for(lambda: state.count("running") == 2)
    training = server.train("waits_in_train", gate=gate, ran=tmp_path / "ran")
    deleted = server.delete(path(training, "waits_in_train"))
    assert (deleted.status, deleted.json) == (200, {**training, "status": "cancelled"})
    assert_is_gone(server, "waits_in_train", training)
    gate.touch()
    # The queue is in order, so the one behind it is done when its turn is over.
    behind = server.train("waits_in_train", gate=gate)
    assert server.wait_training("waits_in_train", behind["uuid"])["status"] == "done"
    assert state.moves(training["uuid"]) == ["cancelled"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.row("C74")
def test_delete_of_an_ended_training_answers_its_record_unchanged(server: Server) -> None:
    training = server.train("trains_well")
    ended = server.wait_training("trains_well", training["uuid"])
    ended.pop("progress")
    deleted = server.delete(path(training, "trains_well"))
    assert (deleted.status, deleted.json) == (200, ended)
    assert_is_gone(server, "trains_well", training)


@pytest.mark.row("C78")
def test_a_result_that_json_lacks_is_shown_all_the_same(server: Server) -> None:
    training = server.train("returns_odd_things")
    ended = server.wait_training("returns_odd_things", training["uuid"])
    assert ended["result"]["output"] == {
        "set": [7],
        "date": "2026-11-22",
        "array": [0, 1, 2],
        "scalar": 0.5,
        "nan": None,
        "opaque": "<an opaque thing>",
    }
    assert ended in server.get("/v2/models/returns_odd_things/train/").json


def test_progress_is_shown_while_a_training_runs(server: Server, tmp_path: Path) -> None:
    training = server.train("waits_in_train", gate=tmp_path / "gate")

    def done() -> float:
        shown = server.training("waits_in_train", training["uuid"])
        return float(shown.get("progress", {}).get("done", 0))

    first = wait_for(done)
    wait_for(lambda: done() > first)
    (tmp_path / "gate").touch()
    server.wait_training("waits_in_train", training["uuid"])


@pytest.mark.parametrize("disable", [False, True])
def test_the_bars_that_a_training_shows_are_its_progress(
    server: Server, state: State, tmp_path: Path, disable: bool
) -> None:
    gate = tmp_path / "gate"
    uuid = server.train("shows_bars_in_train", disable=disable, gate=gate)["uuid"]

    def shown() -> tuple[Any, ...]:
        progress = server.training("shows_bars_in_train", uuid).get("progress", {})
        return tuple(progress.get(name) for name in ("done", "total", "metrics"))

    # What was reported last is told a moment later, where it followed another report closely.
    wait_for(lambda: shown() == (1, 3, {"loss": 0.002}))
    gate.touch()
    ended = server.wait_training("shows_bars_in_train", uuid)
    assert (ended["progress"]["done"], ended["progress"]["total"]) == (3, 3)
    log = state.directory(uuid).log.read_text()
    assert log.count("epoch ") == 3
    # Of 1,500 batches that each draw a bar anew.
    assert len(log) < 5000


def test_what_a_training_keeps_prints_and_reports_is_on_disk(server: Server, state: State) -> None:
    uuid = server.train("trains_well", epochs=3)["uuid"]
    progress = server.wait_training("trains_well", uuid)["progress"]
    directory = state.directory(uuid)
    assert json.loads((directory.artifacts / "model.json").read_text()) == {"epochs": 3}
    assert (directory.checkpoints / "last").read_text() == "3"
    assert directory.log.read_text() == "epoch 0\nepoch 1\nepoch 2\n"
    events = [json.loads(line) for line in directory.events.read_text().splitlines()]
    states = [event["state"] for event in events if event["event"] == "state"]
    assert states == ["queued", "running", "done"]
    assert events[-2] == {"event": "progress", "attempt": 1, **progress}
    assert (progress["done"], progress["total"]) == (3, 3)
    assert progress["metrics"] == {"loss": pytest.approx(1 / 3), "rate": 0.5}


@pytest.mark.row("C53", "C55")
def test_arguments_that_are_wrong_are_refused_by_name(server: Server) -> None:
    count = len(server.get("/v2/models/trains_well/train/").json)
    answer = server.request("POST", "/v2/models/trains_well/train/?epochs=0")
    assert (answer.status, list(answer.json)) == (422, ["epochs"])
    answer = server.request("POST", "/v2/models/waits_in_train/train/")
    assert answer.status == 422
    assert answer.json == {"gate": ["Missing data for required field."]}
    answer = post_json(server, "trains_well", b"{no json")
    assert (answer.status, answer.json) == (400, {"json": ["Invalid JSON body."]})
    assert len(server.get("/v2/models/trains_well/train/").json) == count


def test_a_model_without_train_says_so(server: Server) -> None:
    answer = server.request("POST", "/v2/models/predicts_only/train/")
    assert answer.status == 501
    assert answer.text.startswith("501: Not implemented by underlying model (loaded '")
    assert server.get("/v2/models/predicts_only/train/").json == []


@pytest.mark.row("C58")
def test_trainings_that_are_switched_off_cost_a_payment(tmp_path: Path) -> None:
    with serve("waits_in_train", tmp_path, "--notrain-endpoint") as server:
        paths = ("/v2/models/waits_in_train/train/", f"/v2/models/waits_in_train/train/{'0' * 32}")
        answers = [
            server.request("POST", paths[0]),
            server.get(paths[0]),
            server.get(paths[1]),
            server.delete(paths[1]),
        ]
        assert {(answer.status, answer.text) for answer in answers} == {
            (402, "402: Payment Required")
        }
        assert server.predict("waits_in_train").status == 200


@pytest.mark.row("C72", "F09")
def test_an_uploaded_file_lives_as_long_as_its_training(
    server: Server, state: State, tmp_path: Path
) -> None:
    answer = server.upload(
        "/v2/models/reads_files_in_train/train/",
        [("data", "../plan.csv", b"1;2;3")],
        [("gate", str(tmp_path / "gate")), ("label", "rows")],
    )
    assert answer.status == 200, answer.text
    assert answer.json["args"] == {
        "data": ["data", "application/octet-stream", "../plan.csv"],
        "gate": str(tmp_path / "gate"),
        "label": "rows",
    }
    (tmp_path / "gate").touch()
    ended = server.wait_training("reads_files_in_train", answer.json["uuid"])
    output = ended["result"]["output"]
    assert (output["content"], output["label"]) == ("1;2;3", "rows")
    kept = Path(output["path"])
    assert kept.suffix == ".csv"
    assert kept.read_text() == "1;2;3"
    assert kept.parent == state.directory(answer.json["uuid"]).inputs
    assert server.get("/v2/models/reads_files_in_train/train/").json[0]["args"] == ended["args"]


@pytest.mark.parametrize("count", [3, 5_000, 300_000])
def test_a_json_body_of_any_size_reaches_the_training(server: Server, count: int) -> None:
    numbers = list(range(count))
    answer = post_json(server, "sums_in_train", json.dumps({"numbers": numbers}).encode())
    assert answer.status == 200, answer.text
    assert answer.json["args"] == {"numbers": numbers}
    ended = server.wait_training("sums_in_train", answer.json["uuid"])
    assert ended["result"]["output"] == {"count": count, "sum": sum(numbers)}


def test_a_client_that_leaves_in_a_post_leaves_a_whole_training_or_none(
    server: Server, state: State
) -> None:
    body = json.dumps({"numbers": list(range(100_000))}).encode()
    head = (
        "POST /v2/models/sums_in_train/train/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for sent in (len(body) // 2, len(body), len(body)):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + body[:sent])
    training = post_json(server, "sums_in_train", b'{"numbers": [1]}').json
    server.wait_training("sums_in_train", training["uuid"])
    # What was accepted is whole; of what was not, nothing is kept.
    wait_for(lambda: set(os.listdir(state.path / "jobs")) == set(state.jobs()))
    for listed in server.get("/v2/models/sums_in_train/train/").json:
        ended = server.wait_training("sums_in_train", listed["uuid"])
        assert ended["result"]["output"]["sum"] == sum(listed["args"]["numbers"])


@pytest.mark.row("F05")
def test_predictions_are_answered_while_a_training_runs(
    server: Server, state: State, tmp_path: Path
) -> None:
    before = server.predict("waits_in_train").json["predictions"]
    training = server.train("waits_in_train", gate=tmp_path / "gate")
    wait_for(lambda: state.has_reported(training["uuid"]))
    during = server.predict("waits_in_train")
    assert during.json["predictions"] == before
    assert before["pid"] not in state.processes(training["uuid"])
    assert server.training("waits_in_train", training["uuid"])["status"] == "running"


@pytest.mark.row("C82")
@pytest.mark.parametrize(("option", "is_warm"), [("--warm", True), ("--nowarm", False)])
def test_warm_runs_before_train_unless_switched_off(
    option: str, is_warm: bool, tmp_path: Path
) -> None:
    with serve("warms_before_train", tmp_path, option) as server:
        ended = server.wait_training(
            "warms_before_train", server.train("warms_before_train")["uuid"]
        )
        assert ended["result"]["output"] is is_warm
