# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings as clients of version 2 know them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.place import Place

MODEL = "takes_arguments"


@pytest.mark.row("C64", "C65")
def test_times_are_local_and_have_microseconds(tmp_path: Path) -> None:
    with serve("trains_well", tmp_path, environment={"TZ": "XYZ-9"}) as server:
        started = server.train("trains_well", epochs=1)
        assert list(started) == ["date", "args", "uuid", "status"]
        assert (started["args"], started["status"]) == ({"epochs": 1}, "running")
        assert re.fullmatch("[0-9a-f]{32}", started["uuid"])
        ended = server.wait_training("trains_well", started["uuid"])
        there = (datetime.now(UTC) + timedelta(hours=9)).replace(tzinfo=None)
        for text in (ended["date"], ended["result"]["finish_date"]):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", text)
            # Another zone is an hour away at least.
            assert abs(there - datetime.fromisoformat(text)) < timedelta(minutes=30)


@pytest.mark.row("C66")
def test_what_is_queued_is_shown_as_running(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.serve() as server:
        place.train_until_it_runs(server)
        queued = place.train(server)
        assert place.state.count("queued") == 1
        assert server.training("waits_in_train", queued)["status"] == "running"
        listed = server.get("/v2/models/waits_in_train/train/").json
        assert [training["status"] for training in listed] == ["running", "running"]
        place.gate.touch()
        wait_for(lambda: place.state.count("done") == 2)


@pytest.mark.row("C71", "C78")
def test_arguments_that_json_lacks_are_shown_all_the_same(server: Server) -> None:
    started = server.train(MODEL, needed=1, day="2026-11-22", odd="x")
    assert started["args"] == {"needed": 1, "day": "2026-11-22", "odd": [["x"], "<a thing>"]}
    ended = server.wait_training(MODEL, started["uuid"])
    assert (ended["status"], ended["args"]) == ("done", started["args"])
    listed = server.get(f"/v2/models/{MODEL}/train/")
    assert listed.status == 200
    assert isinstance(listed.json, list)
    assert ended["result"]["output"] == 1


@pytest.mark.row("C75")
def test_an_unknown_training(server: Server) -> None:
    for uuid in ("0" * 32, "none"):
        for method in ("GET", "DELETE"):
            answer = server.request(method, f"/v2/models/{MODEL}/train/{uuid}")
            assert (answer.status, answer.text) == (404, "404: Not Found")
