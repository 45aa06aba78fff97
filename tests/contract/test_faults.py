# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What went wrong on running servers of 2.6.0, and that no other test shows."""

from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.place import Place, guard_of
from tests.integration.signals import serve_signalling
from tests.integration.state import State

MB = 1_000_000
UPLOADS, SECRETS = "keeps_uploads_paths", "answers_at_the_command_line"


@pytest.mark.row("F04")
@pytest.mark.parametrize("victims", ["training", "training and guard"])
def test_delete_of_a_training_whose_processes_died_is_answered(
    victims: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    with place.serve() as server:
        uuid = place.train_until_it_runs(server)
        guard = guard_of(server)
        for pid in place.state.processes(uuid):
            psutil.Process(pid).kill()
        if "guard" in victims and guard.is_running():
            guard.kill()
        path = f"/v2/models/waits_in_train/train/{uuid}"
        answer = server.delete(path)
        assert answer.status == 200
        assert answer.json["status"] in ("error", "cancelled")
        assert server.get("/v2/models/").status == 200
        assert server.predict("waits_in_train").status == 200
        assert server.get(path).status == 404
        wait_for(lambda: place.state.is_final(uuid))
        # The slot is free.
        place.gate.touch()
        after = server.wait_training("waits_in_train", place.train(server))
        assert after["status"] == "done"


@pytest.mark.row("F08")
def test_trainings_are_listed_by_the_next_server(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    path = "/v2/models/trains_well/train/"
    with serve("trains_well", tmp_path, state_dir=state.path) as server:
        uuids = [server.train("trains_well", note=note)["uuid"] for note in "abc"]
        for uuid in uuids:
            server.wait_training("trains_well", uuid)
        server.delete(path + uuids.pop())
        before = server.get(path).json
    assert [training["uuid"] for training in before] == uuids
    with serve("trains_well", tmp_path, state_dir=state.path) as server:
        assert server.get(path).json == before


@pytest.mark.row("F10")
def test_an_upload_is_not_held_in_memory_and_others_are_answered(tmp_path: Path) -> None:
    path = f"/v2/models/{UPLOADS}/predict/"
    with serve_signalling(UPLOADS, tmp_path) as (server, _):
        process = psutil.Process(server.pid)
        assert server.upload(path, [("data", "small", b"1")]).status == 200
        before = peak = process.memory_info().rss
        file = ("data", "large.bin", bytes(150 * MB))
        upload = server.in_background(partial(server.upload, path, [file]))
        while not upload.done():
            assert server.get("/v2/health/live").status == 200
            assert server.get("/v2/models/").status == 200
            peak = max(peak, process.memory_info().rss)
        assert upload.result().json["predictions"]["size"] == 150 * MB
        assert peak - before < 50 * MB


def secret_places(server: Server, uuid: str) -> list[str]:
    path = f"/v2/models/{SECRETS}/train/"
    document = server.get("/swagger.json").text
    return [server.get(path).text, server.get(path + uuid).text, document, server.output()]


@pytest.mark.row("F11")
def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with serve(SECRETS, tmp_path, "--debug", "--debug-endpoint", state_dir=state.path) as server:
        for given in ({"token": "hunter2"}, {"token": "hunter2", "epochs": "no number"}):
            fields = list(given.items())
            answer = server.upload(f"/v2/models/{SECRETS}/train/", fields=fields)
            assert "hunter2" not in answer.text
        training = server.train(SECRETS, token="hunter2", epochs=1)
        assert training["args"]["token"] == "***"
        server.wait_training(SECRETS, training["uuid"])
        for text in secret_places(server, training["uuid"]):
            assert "hunter2" not in text
        assert "hunter2" not in server.get("/v2/debug/").text
        assert "hunter2" not in str(state.row(training["uuid"]))
        assert "hunter2" not in state.directory(training["uuid"]).log.read_text()
