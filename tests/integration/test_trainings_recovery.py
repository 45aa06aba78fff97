# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is killed, whenever and in whatever order, every training ends once, and is not lost."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import wait_for
from tests.integration.place import MODEL, Place, guard_of, kill, numbers

STARTER = "starts_processes_in_train"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def wait_gone(process: psutil.Process) -> None:
    wait_for(lambda: not process.is_running())


def test_a_killed_servers_training_goes_on_and_the_next_server_follows_it(place: Place) -> None:
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        processes = place.state.processes(uuid)
        kill(first)
        lines = len(numbers(place.state.directory(uuid).log))
        with place.serve() as second:
            assert second.training(MODEL, uuid)["status"] == "running"
            log = place.state.directory(uuid).log
            wait_for(lambda: len(numbers(log)) > lines + 20)
            assert place.state.processes(uuid) == processes
            place.gate.touch()
            ended = second.wait_training(MODEL, uuid)
            assert ended["status"] == "done"
            assert ended["result"]["output"] == "went through"
            found = numbers(log)
            assert found == list(range(len(found)))
            assert log.read_text().endswith("last line\n")
            assert [
                training["uuid"] for training in second.get(f"/v2/models/{MODEL}/train/").json
            ] == [uuid]
        finished = place.state.row(uuid)["finished"]
        with place.serve() as third:
            assert third.training(MODEL, uuid) == ended
    assert place.state.moves(uuid) == ["running", "done"]
    assert place.state.row(uuid)["finished"] == finished
    assert place.runs() == [uuid]


def test_a_training_that_ends_while_no_server_runs_is_recorded_by_the_next(place: Place) -> None:
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        guard = guard_of(first)
        kill(first)
        place.gate.touch()
        wait_gone(guard)
        assert place.state.row(uuid)["state"] == "running"
        with place.serve() as second:
            ended = second.wait_training(MODEL, uuid)
            assert ended["result"]["output"] == "went through"
    assert place.state.moves(uuid) == ["running", "done"]
    assert place.runs() == [uuid]


def test_a_server_killed_between_the_end_and_its_record_leaves_it_to_the_next(
    place: Place,
) -> None:
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        first.signal(signal.SIGSTOP)
        place.gate.touch()
        wait_for(place.state.directory(uuid).is_decided)
        kill(first)
        assert place.state.row(uuid)["state"] == "running"
        with place.serve() as second:
            assert second.wait_training(MODEL, uuid)["status"] == "done"
    assert place.state.moves(uuid) == ["running", "done"]
    assert place.runs() == [uuid]


def test_what_was_queued_when_the_server_was_killed_runs_in_order(place: Place) -> None:
    with place.serve() as first:
        uuids = [place.train_until_it_runs(first), *(place.train(first) for _ in range(2))]
        kill(first)
        assert [place.state.row(uuid)["state"] for uuid in uuids] == ["running", "queued", "queued"]
        place.gate.touch()
        with place.serve() as second:
            for uuid in uuids:
                assert second.wait_training(MODEL, uuid)["status"] == "done"
    assert place.runs() == uuids
    assert all(place.state.moves(uuid) == ["running", "done"] for uuid in uuids)


def test_what_was_accepted_by_a_server_killed_at_once_is_not_lost(place: Place) -> None:
    place.gate.touch()
    with place.serve() as first:
        uuid = place.train(first)
        kill(first)
        with place.serve() as second:
            assert second.wait_training(MODEL, uuid)["status"] == "done"
    assert place.state.moves(uuid)[-2:] == ["running", "done"]
    assert place.runs() == [uuid]


def test_what_was_claimed_and_never_begun_is_queued_again(place: Place) -> None:
    arguments = {"gate": str(place.gate), "ran": str(place.ran)}
    uuid = place.state.claimed_by_nobody(MODEL, has_begun=False, **arguments)
    place.gate.touch()
    with place.serve() as server:
        assert server.wait_training(MODEL, uuid)["status"] == "done"
    assert place.state.moves(uuid) == ["running", "queued", "running", "done"]
    assert place.state.row(uuid)["attempt"] == 2
    assert place.runs() == [uuid]


@pytest.mark.row("C70")
def test_what_had_begun_and_has_nobody_is_interrupted_and_never_run_again(place: Place) -> None:
    arguments = {"gate": str(place.gate), "ran": str(place.ran)}
    uuid = place.state.claimed_by_nobody(MODEL, has_begun=True, **arguments)
    with place.serve() as server:
        ended = server.wait_training(MODEL, uuid)
        assert ended["status"] == "error"
        assert ended["message"].startswith("interrupted: ")
    assert place.state.moves(uuid) == ["running", "interrupted"]
    assert not place.ran.exists()


def test_a_killed_guard_ends_its_training_as_interrupted_and_leaves_nothing(place: Place) -> None:
    with place.serve(model=STARTER) as server:
        uuid = server.train(STARTER, gate=place.gate)["uuid"]
        wait_for(lambda: len(place.state.processes(uuid)) == 4)
        guard_of(server).kill()
        ended = server.wait_training(STARTER, uuid)
        assert place.state.processes(uuid) == []
        assert ended["status"] == "error"
        assert "interrupted" in ended["message"]
        assert "supervised the training was killed" in ended["message"]
        assert "result" not in ended
        # The slot is free.
        place.gate.touch()
        assert (
            server.wait_training(STARTER, server.train(STARTER, gate=place.gate)["uuid"])["status"]
            == "done"
        )
    with place.serve(model=STARTER) as server:
        assert server.training(STARTER, uuid) == ended
    assert place.state.moves(uuid) == ["running", "interrupted"]


def test_a_guard_killed_after_a_cancel_leaves_nothing_and_the_cancel_stands(place: Place) -> None:
    with place.serve("--cancel-grace=60", model=STARTER) as server:
        uuid = server.train(STARTER, gate=place.gate)["uuid"]
        wait_for(lambda: len(place.state.processes(uuid)) == 4)
        guard = guard_of(server)
        guard.suspend()
        server.delete(f"/v2/models/{STARTER}/train/{uuid}")
        guard.kill()
        wait_for(lambda: place.state.is_final(uuid))
        assert place.state.processes(uuid) == []
    assert place.state.moves(uuid) == ["running", "cancelled"]


def test_a_guard_killed_between_the_outcome_and_the_end_loses_no_result(place: Place) -> None:
    with place.serve() as server:
        uuid = place.train_until_it_runs(server)
        guard = guard_of(server)
        guard.suspend()
        place.gate.touch()
        wait_for(place.state.directory(uuid).has_outcome)
        assert not place.state.directory(uuid).is_decided()
        guard.kill()
        ended = server.wait_training(MODEL, uuid)
        assert ended["status"] == "done"
        assert ended["result"]["output"] == "went through"
    assert place.state.moves(uuid) == ["running", "done"]


def test_a_guard_killed_while_its_server_is_dead_too_is_found_by_the_next(place: Place) -> None:
    with place.serve(model=STARTER) as first:
        uuid = first.train(STARTER, gate=place.gate)["uuid"]
        wait_for(lambda: len(place.state.processes(uuid)) == 4)
        guard = guard_of(first)
        kill(first)
        guard.kill()
        wait_gone(guard)
        assert place.state.row(uuid)["state"] == "running"
        with place.serve(model=STARTER) as second:
            ended = second.wait_training(STARTER, uuid)
            assert place.state.processes(uuid) == []
            assert ended["message"].startswith("interrupted: ")
    assert place.state.moves(uuid) == ["running", "interrupted"]


def test_a_record_that_cannot_be_read_holds_up_no_other_training(place: Place) -> None:
    damaged = place.state.claimed_by_nobody(MODEL, has_begun=True, gate=str(place.gate))
    (place.state.directory(damaged).path / "end.json").mkdir()
    place.gate.touch()
    with place.serve("--train-workers=2") as server:
        for _ in range(2):
            assert server.wait_training(MODEL, place.train(server))["status"] == "done"
        assert server.training(MODEL, damaged)["status"] == "running"
        assert server.output().count("held up") == 1


def test_an_adopted_training_can_be_cancelled(place: Place) -> None:
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        kill(first)
        with place.serve() as second:
            deleted = second.delete(f"/v2/models/{MODEL}/train/{uuid}")
            assert deleted.json["status"] == "cancelled"
            wait_for(lambda: place.state.is_final(uuid))
            assert place.state.processes(uuid) == []
    assert place.state.moves(uuid) == ["running", "cancelled"]


def test_an_adopted_trainings_slot_is_taken_until_it_ends(place: Place) -> None:
    with place.serve() as first:
        running = place.train_until_it_runs(first)
        follower = place.state.row(running)["server"]
        kill(first)
        with place.serve() as second:
            behind = place.train(second)
            wait_for(lambda: place.state.row(running)["server"] != follower)
            place.gate.touch()
            for uuid in (running, behind):
                assert second.wait_training(MODEL, uuid)["status"] == "done"
    assert place.runs() == [running, behind]
    assert place.state.most_running() == 1
