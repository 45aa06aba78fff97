# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Models that start processes of their own."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import serve, wait_for
from tests.integration.signals import serve_signalling


@pytest.mark.row("C85")
@pytest.mark.parametrize("how", ["fork", "setsid", "subprocess"])
def test_what_a_killed_worker_had_started_is_gone_and_its_call_answered_soon(
    how: str, tmp_path: Path
) -> None:
    with serve_signalling("forks_in_predict", tmp_path) as (server, signals):
        call = server.in_background(partial(server.predict, "forks_in_predict", how=how))
        pid = int(signals.wait_note("parent")[0])
        child = int(signals.wait_note("child")[0])
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        assert call.result().status == 503
        assert time.monotonic() - killed < 8
        wait_for(lambda: not psutil.pid_exists(child))
        assert server.predict("forks_in_predict").status == 200


def test_a_fork_that_returns_from_predict_answers_nothing_and_serves_nothing(
    tmp_path: Path,
) -> None:
    with serve_signalling("forks_in_predict", tmp_path) as (server, _):
        for _ in range(3):
            answer = server.predict("forks_in_predict", how="returns")
            assert answer.json["predictions"] == "the parent's answer"
        [worker] = server.running("worker predict")
        assert server.predict("forks_in_predict").json["predictions"] == worker.pid


@pytest.mark.row("C85")
def test_multiprocessing_works_in_predict(tmp_path: Path) -> None:
    with serve_signalling("forks_in_predict", tmp_path) as (server, signals):
        assert server.predict("forks_in_predict", how="multiprocessing").json["predictions"] == 0
        assert signals.notes("square") == ["49"]


@pytest.mark.row("C85")
def test_children_are_new_programs_and_a_killed_worker_leaves_nothing_of_them(
    tmp_path: Path,
) -> None:
    """Neither processes nor what they shared, which has names in ``/dev/shm``."""
    note = tmp_path / "note"
    with serve("pools", tmp_path, "--predict-kill-abandoned") as server:
        assert server.predict("pools").json["predictions"] == ["spawn", 49]
        [worker] = server.running("worker predict")
        left = server.send(f"/v2/models/pools/predict/?note={note}")
        wait_for(note.exists)
        # The child of the pool, and the tracker of what it shares.
        children = worker.children()
        assert len(children) == 2
        _, *shared = note.read_text().splitlines()
        assert shared
        assert all(Path(path).exists() for path in shared)
        left.close()
        wait_for(lambda: worker not in server.running("worker predict"))
        wait_for(lambda: not any(child.is_running() for child in children))
        assert [path for path in shared if Path(path).exists()] == []
        assert server.predict("pools").status == 200
