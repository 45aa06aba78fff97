# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The queue of a model: nothing waits for a slow call, nothing is lost, nothing runs twice."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.integration.harness import Server, together, wait_for
from tests.integration.signals import serve_signalling

PREDICT = "/v2/models/{}/predict/?{}"


def kill_idle(server: Server, busy: int) -> None:
    """Kill the workers that are not ``busy``."""
    for process in server.running("worker predict"):
        if process.pid != busy:
            process.send_signal(signal.SIGKILL)


def test_fast_calls_behind_a_slow_one_all_end_while_it_still_runs(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path, "--workers=2") as (server, signals):
        slow = server.in_background(
            partial(server.predict, "waits_in_predict", call="slow", until="go")
        )
        [pid] = [note.split()[0] for note in signals.wait_note("begins slow")]
        fast = together([partial(server.predict, "waits_in_predict", call=n) for n in range(20)])
        assert [answer.status for answer in fast] == [200] * 20
        # All went to the other worker; the slow call runs still.
        assert pid not in {str(answer.json["predictions"]["pid"]) for answer in fast}
        assert not slow.done()
        signals.allow("go")
        assert slow.result().status == 200


@pytest.mark.row("F06")
def test_a_call_whose_client_left_the_queue_never_reaches_the_model(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path) as (server, signals):
        slow = server.in_background(
            partial(server.predict, "waits_in_predict", call="slow", until="go")
        )
        signals.wait_note("begins slow")
        # Those at the front of the queue are in the kernel's hands already.
        gone = [server.send(PREDICT.format("waits_in_predict", f"call=gone{n}")) for n in range(6)]
        stays = server.send(PREDICT.format("waits_in_predict", "call=stays"))
        for connection in gone:
            connection.close()
        assert server.get("/v2/health/live").status == 200
        signals.allow("go")
        assert slow.result().status == 200
        assert stays.getresponse().status == 200
        stays.close()
        assert server.predict("waits_in_predict", call="last").status == 200
        called = [note.split()[0] for note in signals.notes("begins")]
        assert called == ["slow", "stays", "last"]


def test_a_call_whose_client_left_while_it_runs_disturbs_nobody(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path) as (server, signals):
        left = server.send(PREDICT.format("waits_in_predict", "call=left&until=go"))
        signals.wait_note("begins left")
        left.close()
        following = server.in_background(
            partial(server.predict, "waits_in_predict", call="following")
        )
        signals.allow("go")
        assert following.result().status == 200


def test_a_call_taken_by_a_worker_killed_before_it_was_noted_runs_once_elsewhere(
    tmp_path: Path,
) -> None:
    with serve_signalling("killed_before_noting", tmp_path) as (server, signals):
        answer = server.predict("killed_before_noting", call="x")
        assert answer.status == 200
        assert answer.json["predictions"] == "x"
        assert len(signals.notes("takes")) == 2
        assert signals.notes("begins") == ["x"]


def test_a_lost_call_is_found_while_other_workers_are_busy_and_others_wait(tmp_path: Path) -> None:
    with serve_signalling("killed_before_noting", tmp_path, "--workers=2") as (server, signals):
        calls = [partial(server.predict, "killed_before_noting", call=n) for n in range(12)]
        answers = together(calls)
        assert [answer.json["predictions"] for answer in answers] == [str(n) for n in range(12)]
        assert sorted(signals.notes("begins"), key=int) == [str(n) for n in range(12)]


def test_a_call_held_by_a_worker_that_stands_still_before_noting_it_runs_once(
    tmp_path: Path,
) -> None:
    with serve_signalling("stops_before_noting", tmp_path, "--workers=2") as (server, signals):
        held = server.in_background(partial(server.predict, "stops_before_noting", call="held"))
        pid = int(signals.wait_note("stops")[0])
        os.kill(pid, signal.SIGSTOP)
        # Another worker's death makes the server look for what was lost.
        kill_idle(server, pid)
        other = server.predict("stops_before_noting", call="other")
        assert other.status == 200
        assert not held.done()
        assert signals.notes("begins") == ["other"]
        signals.allow("go on")
        os.kill(pid, signal.SIGCONT)
        assert held.result().json["predictions"] == {"call": "held", "pid": pid}
        assert sorted(signals.notes("begins")) == ["held", "other"]


def test_a_call_held_by_a_worker_that_stands_still_and_is_killed_runs_once_elsewhere(
    tmp_path: Path,
) -> None:
    with serve_signalling("stops_before_noting", tmp_path, "--workers=3") as (server, signals):
        held = server.in_background(partial(server.predict, "stops_before_noting", call="held"))
        pid = int(signals.wait_note("stops")[0])
        os.kill(pid, signal.SIGSTOP)
        # Several deaths at once: each makes the server look, and only one may hand it out again.
        kill_idle(server, -1)
        answer = held.result()
        assert answer.status == 200
        assert answer.json["predictions"]["pid"] != pid
        assert server.predict("stops_before_noting", call="other").status == 200
        assert signals.notes("begins held") == [""]


def test_a_server_with_many_calls_in_the_queue_uses_every_worker(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path, "--workers=3") as (server, signals):
        connections = [
            server.send(PREDICT.format("waits_in_predict", f"call={n}&until=go")) for n in range(9)
        ]
        pids = [note.split()[1] for note in signals.wait_note("begins", count=3)]
        assert len(set(pids)) == 3
        signals.allow("go")
        for connection in connections:
            assert connection.getresponse().status == 200
            connection.close()
        assert len(signals.notes("begins")) == 9


def test_open_files_of_the_server_do_not_grow_with_deaths(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path) as (server, signals):

        def die() -> None:
            count = len(signals.notes("begins x"))
            call = server.in_background(
                partial(server.predict, "waits_in_predict", call="x", until="never")
            )
            pid = signals.wait_note("begins x", count=count + 1)[-1]
            os.kill(int(pid), signal.SIGKILL)
            assert call.result().status == 503
            assert server.predict("waits_in_predict", call="after").status == 200

        die()
        before = server.open_files()
        for _ in range(5):
            die()
        # The store of jobs may have opened a file of its own meanwhile.
        wait_for(lambda: server.open_files() < before + 5)
