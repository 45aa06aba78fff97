# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings that are tried again, and those that go on from where they were."""

import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.place import Place, guard_of, kill, numbers

MODEL = "counts_on"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def train(server: Server, place: Place, **arguments: object) -> str:
    """Submit a training, and wait until it has a checkpoint."""
    uuid = str(server.train(MODEL, gate=place.gate, **arguments)["uuid"])
    wait_for(lambda: (place.state.directory(uuid).checkpoints / "next").exists())
    return uuid


def states(place: Place, uuid: str) -> list[tuple[str, int]]:
    """Return the states that the events of a job tell of, with their attempts."""
    lines = place.state.directory(uuid).events.read_text().splitlines()
    events: list[Any] = [json.loads(line) for line in lines]
    return [(event["state"], event["attempt"]) for event in events if event["event"] == "state"]


def assert_went_on(place: Place, uuid: str, attempts: int = 2) -> None:
    """The last attempt went on from the checkpoint: no line of the log is missing."""
    assert place.state.moves(uuid) == ["running", *["queued", "running"] * (attempts - 1), "done"]
    assert place.state.row(uuid)["attempt"] == attempts
    found = numbers(place.state.directory(uuid).log)
    # A line may come twice, if it was printed and its checkpoint was not written yet.
    assert len(found) - len(set(found)) < attempts
    assert sorted(set(found)) == list(range(max(found) + 1))
    expected = [("queued", 1), ("running", 1)]
    for attempt in range(2, attempts + 1):
        expected += [("queued", attempt), ("running", attempt)]
    assert states(place, uuid) == [*expected, ("done", attempts)]


def finish(server: Server, place: Place, uuid: str) -> None:
    place.gate.touch()
    assert server.wait_training(MODEL, uuid)["status"] == "done"


def test_a_server_that_is_stopped_leaves_a_resumable_training_to_the_next(place: Place) -> None:
    with place.serve(model=MODEL) as first:
        uuid = train(first, place)
        first.signal(signal.SIGTERM)
        assert first.wait_end() == 0
        row = place.state.row(uuid)
        assert (row["state"], row["not_before"]) == ("queued", None)
        assert "The server was stopped." in row["message"]
        assert place.state.processes(uuid) == []
    with place.serve(model=MODEL) as second:
        wait_for(lambda: place.state.row(uuid)["state"] == "running")
        finish(second, place, uuid)
    assert_went_on(place, uuid)


@pytest.mark.parametrize("victim", ["training", "guard", "both servers and the guard"])
def test_a_killed_training_that_can_go_on_goes_on(place: Place, victim: str) -> None:
    with place.serve(model=MODEL) as first:
        uuid = train(first, place)
        (process,) = place.state.processes(uuid)
        guard = guard_of(first)
        if victim == "training":
            psutil.Process(process).kill()
        else:
            if victim != "guard":
                kill(first)
            guard.kill()
        with place.serve(model=MODEL) as second:
            wait_for(lambda: place.state.row(uuid)["attempt"] == 2)
            wait_for(lambda: place.state.row(uuid)["state"] == "running")
            finish(second, place, uuid)
    assert_went_on(place, uuid)


def test_a_training_that_fails_is_tried_again_and_holds_up_no_other(place: Place) -> None:
    with place.serve(model=MODEL) as server:
        uuid = str(server.train(MODEL, gate=place.gate, fails=True)["uuid"])
        wait_for(lambda: place.state.row(uuid)["attempt"] == 2)
        row = place.state.row(uuid)
        assert row["message"] == "Attempt 1 failed: the first time, it fails"
        place.gate.touch()
        behind = str(server.train(MODEL, gate=place.gate)["uuid"])
        for job in (behind, uuid):
            assert server.wait_training(MODEL, job)["status"] == "done"
        shown = server.training(MODEL, uuid)
        assert "message" not in shown
    assert_went_on(place, uuid)
    assert row["not_before"] > row["created"]


def test_a_training_is_cancelled_while_it_waits_for_its_next_attempt(place: Place) -> None:
    with place.serve(model=MODEL) as server:
        uuid = str(server.train(MODEL, gate=place.gate, fails=True)["uuid"])
        wait_for(lambda: place.state.row(uuid)["state"] == "queued")
        wait_for(lambda: place.state.row(uuid)["attempt"] == 2)
        path = f"/v2/models/{MODEL}/train/{uuid}"
        assert server.delete(path).json["status"] == "cancelled"
        wait_for(lambda: place.state.is_final(uuid))
    assert place.state.row(uuid)["state"] == "cancelled"
    assert states(place, uuid)[-1][0] == "cancelled"
    assert [state for state, _ in states(place, uuid)].count("cancelled") == 1


def test_a_second_signal_ends_the_grace_of_a_training(place: Place) -> None:
    with place.serve("--cancel-grace=600", model="ignores_sigterm") as server:
        uuid = server.train("ignores_sigterm", started=place.ran)["uuid"]
        wait_for(place.ran.exists)
        server.signal(signal.SIGTERM)
        wait_for(place.state.directory(uuid).is_decided)
        assert place.state.processes(uuid) != []
        server.signal(signal.SIGTERM)
        assert server.wait_end() == 0
        assert place.state.processes(uuid) == []
    assert place.state.moves(uuid) == ["running", "interrupted"]


def test_a_log_of_a_gigabyte_fills_no_disk_and_holds_up_nobody(place: Place) -> None:
    model, cap = "floods_its_log", 20_000_000
    with place.serve(f"--train-max-log={cap}", model=model) as server:
        uuid = server.train(model, megabytes=1000)["uuid"]
        log = place.state.directory(uuid).log
        most = 0

        def ended() -> Any:
            nonlocal most
            most = max(most, log.stat().st_blocks * 512 if log.exists() else 0)
            shown = server.training(model, uuid)
            return shown["status"] != "running" and shown

        shown = wait_for(ended)
        assert shown["status"] == "done", shown
    assert log.stat().st_blocks * 512 <= cap + 1_000_000
    # Between two looks of the guard, more is there.
    assert most < 500_000_000
    with log.open("rb") as file:
        assert file.readline() == b"the first line\n"
        file.seek(-1000, 2)
        assert file.read().endswith(b"\nthe last line\n")
        file.seek(0)
        assert b" bytes were left out here: more than 20000000 were printed]" in file.read(cap)


def test_what_a_model_does_not_ask_for_it_does_not_get(tmp_path: Path) -> None:
    """A plain model's training is neither tried again nor resumed."""
    place = Place(tmp_path)
    with serve("ends_in_train", tmp_path, state_dir=place.state.path) as server:
        uuid = server.train("ends_in_train", how="raises")["uuid"]
        assert server.wait_training("ends_in_train", uuid)["status"] == "error"
    assert place.state.moves(uuid) == ["running", "error"]
    assert list(place.state.directory(uuid).path.glob("ended-*")) == []
