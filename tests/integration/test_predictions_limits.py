# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""No call outlasts its limit, no queue grows beyond its own, and what follows is served."""

import http.client
import signal
import socket
import time
from functools import partial
from pathlib import Path

import pytest

from tests.integration.harness import Server, serve, together, wait_for
from tests.integration.signals import serve_signalling

MODEL, WAITS = "does_what_is_asked", "waits_in_predict"
PREDICT = f"/v2/models/{WAITS}/predict/?"
#: Far above any limit of these tests; only what hangs takes so long.
SOON_S = 15.0


def workers(server: Server) -> list[int]:
    return [process.pid for process in server.running("worker predict")]


def is_replaced(server: Server, pid: int) -> bool:
    return pid not in workers(server)


def is_not_ready(server: Server, path: str) -> bool:
    return server.get(path).status == 503


# Time


@pytest.mark.row("F07")
def test_whatever_runs_too_long_is_answered_504_and_its_worker_replaced(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path, "--predict-timeout=0.5") as (server, _):
        for how in ("loops in Python", "loops in C", "sleeps"):
            [before] = workers(server)
            answer = server.predict(MODEL, how=how)
            assert answer.status == 504
            assert answer.text == "504: The call took longer than the limit of 0.5 s."
            assert answer.took_s < SOON_S
            wait_for(partial(is_replaced, server, before))
            wait_for(lambda: server.get("/v2/health/ready").status == 200)
            assert server.predict(MODEL, call="next").json["predictions"] == "next"


def test_a_model_sets_a_limit_of_its_own(tmp_path: Path) -> None:
    with serve("limits_itself", tmp_path, "--predict-timeout=3600") as server:
        pid = server.predict("limits_itself").json["predictions"]
        assert server.predict("limits_itself", seconds=3600).status == 504
        wait_for(lambda: server.get("/v2/health/ready").status == 200)
        assert server.predict("limits_itself").json["predictions"] != pid


def test_a_call_that_waits_too_long_is_answered_504_and_never_runs(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--predict-timeout=1") as (server, signals):
        calls = [server.send(f"{PREDICT}call={n}&until=never") for n in range(4)]
        assert [status_of(call) for call in calls] == [504] * 4
        assert len(signals.notes("begins")) == 1


# The queue


@pytest.mark.row("F07")
def test_a_full_queue_is_answered_503_at_once(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--predict-max-queue=2") as (server, signals):
        slow = server.send(f"{PREDICT}call=slow&until=go")
        signals.wait_note("begins slow")
        waiting = [server.send(f"{PREDICT}call=w{n}") for n in range(2)]
        assert server.get("/v2/health/live").status == 200
        refused = together([partial(server.predict, WAITS, call="no") for _ in range(5)])
        assert [answer.status for answer in refused] == [503] * 5
        assert refused[0].headers["Retry-After"]
        assert "calls wait already" in refused[0].text
        assert server.get("/v2/health/ready").status == 200  # full is not broken
        signals.allow("go")
        assert [status_of(call) for call in (slow, *waiting)] == [200] * 3
        assert signals.notes("begins no") == []


def status_of(connection: http.client.HTTPConnection) -> int:
    """Read the answer to a request that was sent."""
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


# Clients that leave


def test_a_running_call_runs_on_when_its_client_leaves(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path) as (server, signals):
        before = workers(server)
        left = server.send(f"{PREDICT}call=left&until=go")
        signals.wait_note("begins left")
        left.close()
        following = server.in_background(partial(server.predict, WAITS, call="following"))
        time.sleep(0.3)  # a worker that were killed would be replaced by now
        signals.allow("go")
        assert following.result().status == 200
        assert workers(server) == before


def test_a_running_call_can_end_when_its_client_leaves(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--predict-kill-abandoned") as (server, signals):
        before = workers(server)
        left = server.send(f"{PREDICT}call=left&until=never")
        signals.wait_note("begins left")
        queued = server.in_background(partial(server.predict, WAITS, call="queued"))
        left.close()
        assert queued.result().status == 200
        assert workers(server) != before


def test_a_thousand_impatient_clients_leave_nothing_behind(tmp_path: Path) -> None:
    """Each gives up after 50 ms; what comes after them is served as if they had never been."""
    uploads = tmp_path / "temporary"
    uploads.mkdir()
    with serve_signalling(MODEL, tmp_path, "--workers=2", environment={"TMPDIR": str(uploads)}) as (
        server,
        signals,
    ):
        for _ in range(3):
            assert server.predict(MODEL).status == 200
        before = server.open_files()
        for _ in range(10):
            give_up_together(server, 100)
        after = together([partial(server.predict, MODEL, call="after") for _ in range(50)])
        assert [answer.status for answer in after] == [200] * 50
        assert server.get("/v2/health/ready").status == 200
        wait_for(lambda: server.open_files() <= before + 3)
        [folder] = uploads.glob("deepaas-*")
        wait_for(lambda: not list(folder.iterdir()))
        # Most never ran: they were taken out of the queue when they left.
        assert len(signals.notes("begins gone")) < 500


def give_up_together(server: Server, count: int) -> None:
    """Send slow calls with an upload, and leave 50 ms later."""
    boundary = "x"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n'
        + "y" * 1000
        + f"\r\n--{boundary}--\r\n"
    )
    request = (
        f"POST /v2/models/{MODEL}/predict/?call=gone&how=takes+a+while HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(request)
        clients.append(client)
    time.sleep(0.05)
    for client in clients:
        client.close()


# Memory


def test_a_worker_beyond_its_memory_is_replaced(tmp_path: Path) -> None:
    with serve("takes_memory", tmp_path, "--worker-max-memory=400000000", wait=True) as server:
        [before] = workers(server)
        answer = server.predict("takes_memory", megabytes=600)
        assert answer.status == 503
        assert "the limit is 400000000" in answer.text
        assert server.predict("takes_memory", megabytes=1).status == 200
        assert workers(server) != [before]


# Workers that stand still


def test_a_worker_that_stands_still_is_told_of_and_not_waited_for(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--workers=2") as (server, _):
        first, second = server.running("worker predict")
        first.send_signal(signal.SIGSTOP)
        for _ in range(5):
            answer = server.predict(WAITS, call="x")
            assert answer.json["predictions"]["pid"] == second.pid
        assert server.get("/v2/health/ready").status == 200
        second.send_signal(signal.SIGSTOP)
        for path in ("/v2/health/ready", f"/v2/models/{WAITS}/ready"):
            wait_for(partial(is_not_ready, server, path))
            assert "Every worker is stopped (state T)." in server.get(path).text
        waiting = server.in_background(partial(server.predict, WAITS, call="waits"))
        first.send_signal(signal.SIGCONT)
        assert waiting.result().json["predictions"]["pid"] == first.pid
        assert server.get("/v2/health/ready").status == 200
        second.send_signal(signal.SIGCONT)
