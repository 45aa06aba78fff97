# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Time alone does nothing to a job: it neither ends, nor expires, nor runs twice."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deepaas.execution.journal import last_progress
from tests.integration.harness import serve, wait_for
from tests.integration.place import MODEL, Place, kill, numbers

DAY = timedelta(days=1)
MONTH = 30 * DAY
#: A month passes in this time.
MONTH_S = 4.0
CLOCK = Path(__file__).parent / "clock"


def faster() -> dict[str, str]:
    """Return what lets a month pass in a few seconds for a server and all that it starts."""
    return {
        "CLOCK_START": str(time.time()),
        "CLOCK_FACTOR": str(MONTH.total_seconds() / MONTH_S),
        "PYTHONPATH": os.fspath(CLOCK),
    }


def told_at(place: Place, uuid: str) -> datetime:
    """Return when the training reported last, by its own clock."""
    event = last_progress(place.state.directory(uuid).events)
    assert event is not None
    return datetime.fromisoformat(event["time"])


def test_a_job_that_runs_for_months_is_run_once_by_two_servers(tmp_path: Path) -> None:
    """One is killed after the first month, and the other follows the job on through the second.

    Nothing that they have is old enough to be removed.
    """
    place = Place(tmp_path)

    def a_month_passes(since: datetime) -> datetime:
        wait_for(lambda: told_at(place, uuid) > since + MONTH)
        return told_at(place, uuid)

    options: dict[str, Any] = {"state_dir": place.state.path, "environment": faster()}
    keep = "--jobs-max-age=3650d"
    with (
        serve(MODEL, tmp_path, keep, **options) as one,
        serve(MODEL, tmp_path, keep, **options) as two,
    ):
        ended = str(one.train(MODEL, gate=os.devnull, ran=place.ran)["uuid"])
        assert one.wait_training(MODEL, ended)["status"] == "done"
        uuid = place.train_until_it_runs(one)
        wait_for(lambda: place.state.has_reported(uuid))
        behind = place.train(two)
        started = datetime.fromisoformat(place.state.row(uuid)["started"])
        follower = place.state.row(uuid)["server"]
        now = a_month_passes(started)
        assert place.state.row(uuid)["server"] == follower
        kill(one)
        wait_for(lambda: place.state.row(uuid)["server"] != follower)
        a_month_passes(now)
        assert place.state.row(behind)["state"] == "queued"
        assert two.training(MODEL, uuid)["status"] == "running"
        place.gate.touch()
        for job in (uuid, behind):
            assert two.wait_training(MODEL, job)["status"] == "done"
        assert two.training(MODEL, ended)["status"] == "done"
    assert place.runs() == [ended, uuid, behind]
    for job in (uuid, behind):
        assert place.state.moves(job) == ["running", "done"]
        assert place.state.row(job)["attempt"] == 1
    row = place.state.row(uuid)
    lasted = datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])
    assert lasted > 2 * MONTH
    found = numbers(place.state.directory(uuid).log)
    assert found == list(range(len(found)))


def test_a_job_that_ended_long_ago_goes_and_one_that_runs_as_long_stays(tmp_path: Path) -> None:
    """Two servers have the same limit; the second one looks for what is too old when it starts."""
    place = Place(tmp_path)
    options: dict[str, Any] = {"state_dir": place.state.path, "environment": faster()}
    limit = "--jobs-max-age=1d"
    with serve(MODEL, tmp_path, limit, "--train-workers=2", **options) as one:
        running = place.train_until_it_runs(one)
        wait_for(lambda: place.state.has_reported(running))
        started = told_at(place, running)
        ended = str(one.train(MODEL, gate=os.devnull)["uuid"])
        wait_for(lambda: place.state.moves(ended) == ["running", "done"])
        assert one.delete(f"/v2/models/{MODEL}/train/{ended}").status in (200, 404)
        over = told_at(place, running)
        wait_for(lambda: told_at(place, running) > over + 2 * DAY)
        with serve(MODEL, tmp_path, limit, "--train-workers=2", **options) as two:
            wait_for(lambda: ended not in place.state.jobs())
            wait_for(lambda: not place.state.directory(ended).path.exists())
            assert told_at(place, running) > started + 2 * DAY
            assert two.training(MODEL, running)["status"] == "running"
            place.gate.touch()
            wait_for(lambda: place.state.moves(running) == ["running", "done"])
    assert place.runs() == [running]
    log = "".join(path.read_text() for path in tmp_path.glob("server-*.log"))
    assert log.count(f"Removed job {ended} ") == 1
    assert "it ended more than 1 days ago (jobs-max-age)" in log
