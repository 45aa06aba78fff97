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

MONTH = timedelta(days=30)
#: A month passes in this time.
MONTH_S = 4.0
CLOCK = Path(__file__).parent / "clock"


def told_at(place: Place, uuid: str) -> datetime:
    """Return when the training reported last, by its own clock."""
    event = last_progress(place.state.directory(uuid).events)
    assert event is not None
    return datetime.fromisoformat(event["time"])


def test_a_job_that_runs_for_months_is_run_once_by_two_servers(tmp_path: Path) -> None:
    """One is killed after the first month, and the other follows the job on through the second."""
    place = Place(tmp_path)
    environment = {
        "CLOCK_START": str(time.time()),
        "CLOCK_FACTOR": str(MONTH.total_seconds() / MONTH_S),
        "PYTHONPATH": os.fspath(CLOCK),
    }

    def a_month_passes(since: datetime) -> datetime:
        wait_for(lambda: told_at(place, uuid) > since + MONTH)
        return told_at(place, uuid)

    options: dict[str, Any] = {"state_dir": place.state.path, "environment": environment}
    with serve(MODEL, tmp_path, **options) as one, serve(MODEL, tmp_path, **options) as two:
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
    assert place.runs() == [uuid, behind]
    for job in (uuid, behind):
        assert place.state.moves(job) == ["running", "done"]
        assert place.state.row(job)["attempt"] == 1
    row = place.state.row(uuid)
    lasted = datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])
    assert lasted > 2 * MONTH
    found = numbers(place.state.directory(uuid).log)
    assert found == list(range(len(found)))
