# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Versions are evaluated by real servers, and what is found out outlives them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Answer, Server, serve, wait_for
from tests.integration.place import kill
from tests.integration.versions import MODEL, PATH, promoted, rollback, versions


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Lend a server that serves version 2; version 1 says another word."""
    with serve(MODEL, tmp_path_factory.mktemp("server")) as running:
        promoted(running, "meow")
        promoted(running, "purring")
        yield running


def evaluate(server: Server, version: int | None = None, query: str = "") -> Answer:
    headers = {} if version is None else {"X-Model-Version": str(version)}
    return server.request("POST", f"{PATH}/evaluate/?{query}", headers=headers)


def accepted(server: Server, version: int | None = None, query: str = "") -> str:
    """Begin an evaluation, and return the path of its job."""
    answer = evaluate(server, version, query)
    assert answer.status == 202, answer.text
    return answer.headers["Location"]


def ended(server: Server, path: str) -> Any:
    """Wait for a job's end and for its record, which the list of versions is made of."""
    wait_for(lambda: server.get(path).json["finished"] is not None)
    wait_for(lambda: server.get(f"{PATH}/jobs/?state=running&state=queued").json["jobs"] == [])
    return server.get(path).json


def evaluations(server: Server) -> dict[int, Any]:
    return {each["version"]: each["evaluation"] for each in versions(server)}


def test_what_is_found_out_stands_beside_the_version(server: Server) -> None:
    paths = [accepted(server, version) for version in (None, 1, 0)]
    for path, version, letters in zip(paths, (2, 1, 0), (7, 4, 7), strict=True):
        job = ended(server, path)
        assert (job["state"], job["version"]) == ("done", version)
        metrics = {"loss": 0.5, "letters": letters}
        assert job["progress"]["metrics"] == metrics
        found = evaluations(server)[version]
        assert (found["job"], found["metrics"]) == (job["id"], metrics)
    assert "evaluating purring" in server.get(f"{paths[0]}/log").text
    assert server.get(f"{paths[1]}/result").json["said"] == "meow"
    # The latest one counts, also of a version that is put into service meanwhile.
    assert rollback(server, 1).status == 200
    again = ended(server, accepted(server))
    assert again["version"] == 1
    assert evaluations(server)[1]["job"] == again["id"]
    assert rollback(server, 2).status == 200


def test_an_argument_of_the_models_may_be_called_version(server: Server) -> None:
    job = ended(server, accepted(server, 1, "version=mine"))
    assert job["version"] == 1
    assert job["arguments"] == {"gate": "", "version": "mine"}


def test_a_version_that_is_not_there(server: Server) -> None:
    answer = evaluate(server, 9)
    assert answer.status == 404
    assert answer.json["detail"] == f"The model {MODEL!r} has no version 9."


def test_an_evaluation_is_cancelled(server: Server, tmp_path: Path) -> None:
    before = evaluations(server)
    path = accepted(server, 2, f"gate={tmp_path / 'never'}")
    wait_for(lambda: server.get(path).json["progress"])
    assert server.request("POST", f"{path}/cancel").json["state"] == "cancelled"
    assert ended(server, path)["state"] == "cancelled"
    assert evaluations(server) == before


def test_a_model_without_evaluate(tmp_path: Path) -> None:
    with serve("predicts_only", tmp_path) as server:
        answer = server.request("POST", "/v2/models/predicts_only/evaluate/")
        assert answer.status == 501
        assert answer.json["detail"] == (
            "Not implemented by underlying model (loaded 'predicts_only')"
        )


def test_an_evaluation_outlives_its_server(tmp_path: Path) -> None:
    """It goes on while there is none, is about the version that was served, and is recorded."""
    gate = tmp_path / "gate"
    with serve(MODEL, tmp_path) as first:
        promoted(first, "meow")
        path = accepted(first, query=f"gate={gate}")
        wait_for(lambda: first.get(path).json["progress"])
        kill(first)
        gate.touch()
        with serve(MODEL, tmp_path) as second:
            job = ended(second, path)
            assert (job["state"], job["version"], job["attempt"]) == ("done", 1, 1)
            found = evaluations(second)[1]
            assert (found["job"], found["metrics"]) == (job["id"], {"loss": 0.5, "letters": 4})
