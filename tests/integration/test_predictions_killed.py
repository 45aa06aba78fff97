# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Workers that are killed from outside: their own call ends with 503, nothing else notices."""

import http.client
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, Server, wait_for
from tests.integration.signals import serve_signalling

#: The promise is 2 s; the rest is for a busy machine.
SOON_S = 8.0


def kill(pid: int | str) -> float:
    """Kill a process as the kernel does when memory is short; return the moment."""
    os.kill(int(pid), signal.SIGKILL)
    return time.monotonic()


def workers(server: Server) -> list[int]:
    return [process.pid for process in server.running("worker predict")]


def status_of(connection: http.client.HTTPConnection) -> int:
    """Read the answer to a request that was sent."""
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@pytest.mark.row("F02")
def test_a_call_after_an_idle_worker_was_killed_is_answered_by_a_warm_replacement(
    tmp_path: Path,
) -> None:
    with serve_signalling("waits_in_predict", tmp_path) as (server, signals):
        [pid] = workers(server)
        kill(pid)
        answer = server.predict("waits_in_predict", call=1)
        assert answer.status == 200
        assert answer.json["predictions"]["pid"] != pid
        assert signals.notes("warm") == ["", ""]
        assert len(signals.notes("begins 1")) == 1


@pytest.mark.row("F02")
def test_calls_at_the_moment_when_an_idle_worker_is_killed_are_all_answered_once(
    tmp_path: Path,
) -> None:
    with serve_signalling("waits_in_predict", tmp_path, "--workers=2") as (server, signals):
        calls = []
        for number in range(10):
            calls.append(
                server.in_background(partial(server.predict, "waits_in_predict", call=number))
            )
            if number in (3, 6):
                kill(workers(server)[0])
        statuses = [call.result().status for call in calls]
        # A call that had begun on a killed worker may fail; no other one may.
        assert statuses.count(200) >= 8
        assert set(statuses) <= {200, 503}
        begun = [note.split()[0] for note in signals.notes("begins")]
        assert sorted(begun) == sorted(set(begun))
        wait_for(lambda: server.get("/v2/health/ready").json["models"][0]["workers"] == 2)


@pytest.mark.row("F02")
def test_a_worker_killed_in_a_call_fails_that_call_soon_and_no_other_one(tmp_path: Path) -> None:
    with serve_signalling("waits_in_predict", tmp_path, "--workers=2") as (server, signals):
        victim = server.in_background(
            partial(server.predict, "waits_in_predict", call="victim", until="never")
        )
        [pid] = signals.wait_note("begins victim")
        other = server.in_background(
            partial(server.predict, "waits_in_predict", call="other", until="go")
        )
        signals.wait_note("begins other")
        queued = server.in_background(partial(server.predict, "waits_in_predict", call="queued"))
        killed = kill(pid)
        died = victim.result()
        assert died.status == 503
        assert died.headers["Retry-After"]
        assert "process" in died.text
        assert time.monotonic() - killed < SOON_S
        assert queued.result().status == 200
        assert not other.done()
        signals.allow("go")
        assert other.result().status == 200
        assert [note.split()[0] for note in signals.notes("begins")].count("victim") == 1


def test_a_worker_killed_while_it_reads_its_input_fails_the_call_soon(tmp_path: Path) -> None:
    with serve_signalling("waits_in_input", tmp_path) as (server, signals):
        small = server.in_background(partial(server.predict, "waits_in_input", data="abc"))
        [pid] = signals.wait_note("reads")
        killed = kill(pid)
        assert small.result().status == 503
        assert time.monotonic() - killed < SOON_S

        large = server.in_background(
            partial(server.predict_json, "waits_in_input", {"data": "x" * 20_000_000})
        )
        pid = signals.wait_note("reads", count=2)[1]
        killed = kill(pid)
        assert large.result().status == 503
        assert time.monotonic() - killed < SOON_S

        signals.allow("read")
        answer = server.predict_json("waits_in_input", {"data": "x" * 20_000_000})
        assert answer.json["predictions"] == 20_000_000


def test_a_worker_killed_while_it_encodes_its_answer_fails_the_call_soon(tmp_path: Path) -> None:
    with serve_signalling("waits_in_answer", tmp_path) as (server, signals):
        call = server.in_background(partial(server.predict, "waits_in_answer", until="never"))
        [pid] = signals.wait_note("encodes")
        killed = kill(pid)
        assert call.result().status == 503
        assert time.monotonic() - killed < SOON_S
        assert server.predict("waits_in_answer").json["predictions"] == [1, 2, 3]


def test_a_finished_answer_that_a_slow_client_still_reads_survives_its_worker(
    tmp_path: Path,
) -> None:
    size = 50_000_000 // 256 * 256
    with serve_signalling("answers_in_every_way", tmp_path) as (server, _):
        [pid] = workers(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request(
            "POST",
            f"/v2/models/answers_in_every_way/predict/?how=bytes&size={size}&accept=image/png",
        )
        response = connection.getresponse()
        beginning = response.read(1000)
        kill(pid)
        # The next one is there and answers, while most of that answer is still to be read.
        after = server.predict("answers_in_every_way", text="next")
        assert after.json["predictions"] == "next"
        assert pid not in workers(server)
        body = beginning + response.read()
        connection.close()
        assert response.getheader("Content-Length") == str(size)
        assert body == bytes(range(256)) * (size // 256)


def test_all_workers_killed_at_once_are_all_replaced_and_queued_calls_are_answered(
    tmp_path: Path,
) -> None:
    with serve_signalling("waits_in_predict", tmp_path, "--workers=2") as (server, signals):
        predict = "/v2/models/waits_in_predict/predict/"
        running = [server.send(f"{predict}?call=r{n}&until=never") for n in range(2)]
        signals.wait_note("begins r", count=2)
        queued = [server.send(f"{predict}?call=q{n}") for n in range(6)]
        assert server.get("/v2/health/live").status == 200
        for pid in workers(server):
            kill(pid)
        assert [status_of(call) for call in running] == [503, 503]
        assert [status_of(call) for call in queued] == [200] * 6
        begun = [note.split()[0] for note in signals.notes("begins q")]
        assert sorted(begun) == [f"{n}" for n in range(6)]
