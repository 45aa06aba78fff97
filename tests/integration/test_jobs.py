# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Real trainings in the whole view of jobs: found, kept once, started anew, and removed."""

import hashlib
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import MODELS, Answer, Server, serve, together, wait_for
from tests.integration.place import MODEL, Place
from tests.integration.state import State

SERVED = ("trains_well", "waits_in_train", "reads_files_in_train")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("jobs") / "state")


@pytest.fixture(scope="module")
def server(state: State) -> Iterator[Server]:
    models = ",".join(str(MODELS / f"{name}.py") for name in SERVED)
    with serve(models, state.path.parent, state_dir=state.path) as running:
        yield running


def jobs_of(server: Server, model: str, query: str = "") -> Any:
    answer = server.get(f"/v2/models/{model}/jobs/{query}")
    assert answer.status == 200, answer.text
    return answer.json


def path_of(model: str, job: str) -> str:
    return f"/v2/models/{model}/jobs/{job}"


def with_key(server: Server, model: str, key: str, **arguments: object) -> Answer:
    query = urllib.parse.urlencode(arguments)
    path = f"/v2/models/{model}/train/?{query}"
    return server.request("POST", path, headers={"Idempotency-Key": key})


def wait_job(server: Server, model: str, job: str) -> Any:
    """Wait for a job's end and return it."""

    def ended() -> Any:
        found = server.get(path_of(model, job)).json
        return found["state"] not in ("queued", "running") and found

    return wait_for(ended)


@pytest.mark.row("C76")
def test_what_left_the_contract_s_view_is_reached_by_routes_of_our_own(server: Server) -> None:
    uuid = server.train("trains_well", epochs=2)["uuid"]
    server.wait_training("trains_well", uuid)
    assert server.delete(f"/v2/models/trains_well/train/{uuid}").status == 200
    assert server.get(f"/v2/models/trains_well/train/{uuid}").status == 404
    job = server.get(path_of("trains_well", uuid))
    assert (job.status, job.json["state"]) == (200, "done")
    assert uuid in [found["id"] for found in jobs_of(server, "trains_well")["jobs"]]
    assert server.get(f"{path_of('trains_well', uuid)}/log").text == "epoch 0\nepoch 1\n"


def test_what_a_training_made_can_be_fetched_in_parts(server: Server) -> None:
    uuid = server.train("trains_well", epochs=2)["uuid"]
    server.wait_training("trains_well", uuid)
    (file,) = server.get(f"{path_of('trains_well', uuid)}/artifacts/").json["artifacts"]
    content = b'{"epochs": 2}'
    checksum = hashlib.sha256(content).hexdigest()
    assert (file["path"], file["bytes"], file["sha256"]) == ("model.json", 13, checksum)
    whole = server.get(file["href"])
    assert (whole.body, whole.headers["Etag"]) == (content, f'"{checksum}"')
    parts = [
        server.request("GET", file["href"], headers={"Range": asked, "If-Range": f'"{checksum}"'})
        for asked in ("bytes=0-4", "bytes=5-")
    ]
    assert [part.status for part in parts] == [206, 206]
    assert b"".join(part.body for part in parts) == content


def test_pages_under_way_are_not_disturbed_by_new_jobs(tmp_path: Path) -> None:
    """Each older job comes once, whatever is queued meanwhile."""
    place = Place(tmp_path)
    with place.serve() as server:
        running = place.train_until_it_runs(server)
        old = [place.train(server) for _ in range(12)]
        stop = threading.Event()

        def submit() -> None:
            while not stop.is_set():
                place.train(server)

        submitting = threading.Thread(target=submit)
        submitting.start()
        try:
            found, cursor = [], ""
            while True:
                page = jobs_of(server, MODEL, f"?state=queued&limit=2{cursor}")
                found += [job["id"] for job in page["jobs"]]
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
        finally:
            stop.set()
            submitting.join()
        assert found[-12:] == old[::-1]
        assert len(set(found)) == len(found)
        oldest = jobs_of(server, MODEL, "?order=oldest&limit=3")["jobs"]
        assert [job["id"] for job in oldest] == [running, *old[:2]]
        for job in jobs_of(server, MODEL, "?limit=1000")["jobs"][:-1]:
            assert server.request("POST", f"{path_of(MODEL, job['id'])}/cancel").status == 200
        place.gate.touch()
        assert wait_job(server, MODEL, running)["state"] == "done"


def test_of_many_requests_with_one_key_one_training_is_made(tmp_path: Path) -> None:
    """At the same moment, later, and on the next server."""
    place = Place(tmp_path)
    place.gate.touch()
    arguments = {"gate": place.gate, "ran": place.ran}
    with place.serve() as server:
        answers = together([lambda: with_key(server, MODEL, "k 1", **arguments)] * 8)
        assert {answer.status for answer in answers} == {200}
        (uuid,) = {answer.json["uuid"] for answer in answers}
        assert all(set(answer.json) >= {"date", "args", "uuid", "status"} for answer in answers)
        ended = server.wait_training(MODEL, uuid)
        ended.pop("progress")
        assert with_key(server, MODEL, "k 1", **arguments).json == ended
    with place.serve() as server:
        assert with_key(server, MODEL, "k 1", **arguments).json == ended
        other = with_key(server, MODEL, "k 1", gate=place.gate)
        assert (other.status, list(other.json)) == (422, ["Idempotency-Key"])
        assert "came with another input before" in other.text
        assert with_key(server, MODEL, "k 2", **arguments).json["uuid"] != uuid
        assert server.delete(path_of(MODEL, uuid)).status == 204
        assert with_key(server, MODEL, "k 1", gate=place.gate).status == 200
    assert place.runs().count(uuid) == 1
    assert len(place.state.jobs()) == len(list((place.state.path / "jobs").iterdir()))


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
def test_a_key_that_is_none_is_refused(server: Server, key: str) -> None:
    answer = with_key(server, "trains_well", key)
    assert answer.status == 422
    assert answer.json == {"Idempotency-Key": ["A key is 1 to 255 printable ASCII characters."]}


def test_the_content_of_files_counts(server: Server, state: State) -> None:
    """Not the boundaries between them, nor where they were kept."""
    path = "/v2/models/reads_files_in_train/train/"
    headers = {"Idempotency-Key": "files"}

    def upload(content: bytes) -> Answer:
        files = [("data", "a.csv", content)]
        return server.upload(path, files, [("label", "x"), ("gate", "/dev/null")], headers)

    first, again, other = upload(b"1" * 3_000_000), upload(b"1" * 3_000_000), upload(b"1;3")
    assert (first.status, again.status, other.status) == (200, 200, 422)
    assert first.json["uuid"] == again.json["uuid"]
    wait_job(server, "reads_files_in_train", first.json["uuid"])
    assert len(jobs_of(server, "reads_files_in_train")["jobs"]) == 1
    assert len(list(state.directory(first.json["uuid"]).inputs.iterdir())) == 1


def test_a_training_with_a_file_is_started_anew(server: Server, state: State) -> None:
    """The file outlives the job that it came with, and the client's key makes one job of two."""
    model = "reads_files_in_train"
    files = [("data", "plan.csv", b"1;2;3")]
    first = server.upload(f"/v2/models/{model}/train/", files, [("label", "rows")]).json["uuid"]
    ended = wait_job(server, model, first)
    path = f"{path_of(model, first)}/retry"
    headers = {"Idempotency-Key": "again"}
    answers = together([lambda: server.request("POST", path, headers=headers)] * 4)
    assert {answer.status for answer in answers} == {201}
    (where,) = {answer.headers["Location"] for answer in answers}
    again = answers[0].json
    assert where == path_of(model, again["id"])
    assert (again["arguments"], again["kind"]) == (ended["arguments"], "train")
    assert server.delete(path_of(model, first)).status == 204
    assert not state.directory(first).path.exists()
    assert wait_job(server, model, again["id"])["state"] == "done"
    result = server.get(f"{where}/result").json
    assert (result["content"], result["label"]) == ("1;2;3", "rows")
    assert Path(result["path"]).parent == state.directory(again["id"]).inputs


def test_a_running_training_is_cancelled_before_it_is_removed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.serve() as server:
        uuid = place.train_until_it_runs(server)
        path = path_of(MODEL, uuid)
        refused = server.delete(path)
        assert (refused.status, refused.headers["Content-Type"]) == (
            409,
            "application/problem+json",
        )
        assert "cancel it first" in refused.json["detail"]
        for _ in range(2):
            cancelled = server.request("POST", f"{path}/cancel")
            assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
        wait_for(lambda: server.delete(path).status == 204)
        assert server.get(path).status == 404
        assert place.state.jobs() == []
        assert list((place.state.path / "jobs").iterdir()) == []
    assert place.state.moves(uuid) == ["running", "cancelled"]


def test_what_a_crash_left_of_a_removal_goes_at_the_next_start(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.gate.touch()
    with place.serve() as server:
        uuid = place.train(server)
        server.wait_training(MODEL, uuid)
    directory = place.state.directory(uuid).path
    # Its record had not been removed yet, so it is whole again; of the other one nothing is left.
    directory.rename(directory.with_name(f"{uuid}.gone.removed"))
    directory.with_name(f"{'0' * 32}.gone.removed").mkdir()
    with place.serve() as server:
        assert list((place.state.path / "jobs").iterdir()) == [directory]
        assert server.get(path_of(MODEL, uuid)).json["progress"] is not None
        # Without its files it still can be removed.
        shutil.rmtree(directory)
        job = server.get(path_of(MODEL, uuid)).json
        assert (job["state"], job["progress"]) == ("done", None)
        assert server.request("POST", f"{path_of(MODEL, uuid)}/retry").status == 409
        assert server.get(f"{path_of(MODEL, uuid)}/artifacts/").json["artifacts"] == []
        assert server.delete(path_of(MODEL, uuid)).status == 204
