# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Several trainings, several servers on one state directory, and servers that are told to end."""

import signal
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, together, wait_for
from tests.integration.place import MODEL, Place, guard_of, kill, numbers


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def terminate(server: Server) -> int:
    server.signal(signal.SIGTERM)
    return server.wait_end()


def test_all_of_many_trainings_sent_at_once_run_exactly_once(place: Place) -> None:
    model = "notes_that_it_ran"
    with serve(
        model,
        place.folder,
        "--train-workers=3",
        state_dir=place.state.path,
        environment={"RAN": str(place.ran)},
    ) as server:
        url = f"/v2/models/{model}/train/"
        answers = together([lambda: server.request("POST", url)] * 30)
        assert {answer.status for answer in answers} == {200}
        uuids = {answer.json["uuid"] for answer in answers}
        assert len(uuids) == 30
        wait_for(lambda: all(job["status"] == "done" for job in server.get(url).json))
        assert {job["uuid"] for job in server.get(url).json} == uuids
    assert sorted(place.runs()) == sorted(uuids)
    assert all(place.state.moves(uuid) == ["running", "done"] for uuid in uuids)
    assert place.state.most_running() == 3


def test_two_servers_run_each_job_once_in_slots_that_they_share(place: Place) -> None:
    with place.serve("--train-workers=2") as one, place.serve("--train-workers=2") as two:
        uuids = [place.train(server) for server in (one, two) * 3]
        wait_for(lambda: place.state.count("running") == 2)
        for server in (one, two):
            listed = server.get(f"/v2/models/{MODEL}/train/").json
            assert [job["uuid"] for job in listed] == uuids
        place.gate.touch()
        for uuid in uuids:
            assert one.wait_training(MODEL, uuid) == two.wait_training(MODEL, uuid)
    assert sorted(place.runs()) == sorted(uuids)
    assert all(place.state.moves(uuid) == ["running", "done"] for uuid in uuids)
    assert place.state.most_running() == 2


def test_a_server_takes_over_what_another_that_was_told_to_end_had_queued(place: Place) -> None:
    with place.serve() as one:
        running = place.train_until_it_runs(one)
        queued = place.train(one)
        with place.serve() as two:
            assert terminate(one) == 0
            place.gate.touch()
            assert two.wait_training(MODEL, queued)["status"] == "done"
            assert two.training(MODEL, running)["message"].startswith("interrupted: ")
    assert place.state.moves(running) == ["running", "interrupted"]
    assert place.runs() == [running, queued]


def test_the_end_of_one_server_leaves_the_training_of_another_alone(place: Place) -> None:
    with place.serve() as one, place.serve() as two:
        uuid = place.train_until_it_runs(one)
        processes = place.state.processes(uuid)
        assert two.training(MODEL, uuid)["status"] == "running"
        assert terminate(two) == 0
        assert place.state.processes(uuid) == processes
        place.gate.touch()
        assert one.wait_training(MODEL, uuid)["status"] == "done"
    assert place.state.moves(uuid) == ["running", "done"]


def test_a_server_follows_the_training_of_another_that_was_killed(place: Place) -> None:
    with place.serve() as one, place.serve() as two:
        uuid = place.train_until_it_runs(one)
        behind = place.train(one)
        processes = place.state.processes(uuid)
        follower = place.state.row(uuid)["server"]
        kill(one)
        wait_for(lambda: place.state.row(uuid)["server"] != follower)
        assert place.state.processes(uuid) == processes
        place.gate.touch()
        assert two.wait_training(MODEL, uuid)["status"] == "done"
        assert two.wait_training(MODEL, behind)["status"] == "done"
    found = numbers(place.state.directory(uuid).log)
    assert found == list(range(len(found)))
    assert place.state.moves(uuid) == ["running", "done"]
    assert place.runs() == [uuid, behind]


@pytest.mark.parametrize("model", ["starts_processes_in_train", "ignores_sigterm"])
def test_a_server_told_to_end_interrupts_its_training_and_leaves_nothing(
    place: Place, model: str
) -> None:
    with place.serve("--cancel-grace=1", model=model) as server:
        uuid = server.train(model, gate=place.gate, started=place.ran)["uuid"]
        expected = 4 if model == "starts_processes_in_train" else 1
        wait_for(lambda: len(place.state.processes(uuid)) == expected)
        if model == "ignores_sigterm":
            wait_for(place.ran.exists)
        server.signal(signal.SIGTERM)
        assert server.wait_end(limit_s=30) == 0
        assert place.state.row(uuid)["state"] == "interrupted"
        assert place.state.processes(uuid) == []
        assert server.processes() == []
    with place.serve(model=model) as server:
        ended = server.training(model, uuid)
        assert (ended["status"], ended["message"]) == (
            "error",
            "interrupted: The server was stopped.",
        )
    assert place.state.moves(uuid) == ["running", "interrupted"]


def test_a_model_gets_to_save_when_the_server_is_told_to_end(place: Place) -> None:
    model = "saves_when_cancelled"
    with place.serve(model=model) as server:
        uuid = server.train(model, started=place.ran)["uuid"]
        wait_for(place.ran.exists)
        assert terminate(server) == 0
        assert place.state.row(uuid)["state"] == "interrupted"
        assert (place.state.directory(uuid).checkpoints / "saved").read_text() == "all of it"


def test_a_server_may_leave_its_training_to_the_next(place: Place) -> None:
    with place.serve("--keep-trainings") as first:
        uuid = place.train_until_it_runs(first)
        queued = place.train(first)
        guard = guard_of(first)
        processes = place.state.processes(uuid)
        assert terminate(first) == 0
        assert [process.pid for process in first.processes() if process != guard] == processes
        assert place.state.row(uuid)["state"] == "running"
        with place.serve() as second:
            place.gate.touch()
            for job in (uuid, queued):
                assert second.wait_training(MODEL, job)["status"] == "done"
    found = numbers(place.state.directory(uuid).log)
    assert found == list(range(len(found)))
    assert place.state.moves(uuid) == ["running", "done"]
    assert place.runs() == [uuid, queued]


def test_what_is_queued_when_a_server_is_told_to_end_runs_at_the_next_start(place: Place) -> None:
    with place.serve() as first:
        running = place.train_until_it_runs(first)
        queued = place.train(first)
        assert terminate(first) == 0
    assert place.state.row(queued)["state"] == "queued"
    place.gate.touch()
    with place.serve() as second:
        assert second.wait_training(MODEL, queued)["status"] == "done"
    assert place.state.moves(running) == ["running", "interrupted"]
    assert place.state.moves(queued) == ["running", "done"]
    assert place.runs() == [running, queued]
