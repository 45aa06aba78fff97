# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A server that is told to end answers what it took, refuses the rest, and says that it does."""

import signal
from functools import partial
from pathlib import Path

from tests.integration.harness import serve, wait_for
from tests.integration.signals import Signals, serve_signalling

MODEL = "waits_in_predict"
PREDICT = f"/v2/models/{MODEL}/predict/?"


def test_what_runs_is_answered_and_what_comes_is_refused(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path, "--shutdown-grace=60") as (server, signals):
        running = server.send(f"{PREDICT}call=running&until=go")
        signals.wait_note("begins running")
        queued = server.send(f"{PREDICT}call=queued&until=go")
        assert server.get("/v2/health/live").status == 200
        server.signal(signal.SIGTERM)
        # Connections are still taken, so that a balancer hears of it from the probe.
        wait_for(lambda: server.get("/v2/health/ready").status == 503)
        ready = server.get("/v2/health/ready")
        assert ready.json["models"][0]["reason"] == "The service is shutting down."
        refused = server.predict(MODEL, call="late")
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert "shutting down" in refused.text
        assert server.get("/v2/health/live").status == 200
        signals.allow("go")
        for call in (running, queued):
            assert call.getresponse().status == 200
            call.close()
        assert server.wait_end(limit_s=20) == 0
        assert "Traceback" not in server.output()


def test_when_the_grace_is_over_what_runs_is_answered_503(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path, "--shutdown-grace=0.3") as (server, signals):
        running = server.in_background(partial(server.predict, MODEL, call="x", until="never"))
        signals.wait_note("begins x")
        server.signal(signal.SIGTERM)
        assert running.result().status == 503
        assert server.wait_end(limit_s=20) == 0
        assert "Traceback" not in server.output()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path, "--shutdown-grace=3600") as (server, signals):
        running = server.send(f"{PREDICT}call=x&until=never")
        signals.wait_note("begins x")
        server.signal(signal.SIGTERM)
        wait_for(lambda: "Stopping" in server.output())
        server.signal(signal.SIGINT)
        assert server.wait_end(limit_s=20) == 0
        running.close()
        assert not server.processes()


# Readiness of one model


def test_one_model_says_whether_it_can_be_called(tmp_path: Path) -> None:
    with serve_signalling(MODEL, tmp_path) as (server, _):
        path = f"/v2/models/{MODEL}/ready"
        answer = server.get(path)
        assert (answer.status, answer.json["status"]) == (200, "ready")
        assert answer.json["workers"] == 1
        unknown = server.get("/v2/models/nobody/ready")
        assert unknown.status == 404
        assert unknown.headers["Content-Type"].startswith("application/problem+json")


def test_a_model_that_warms_is_not_ready(tmp_path: Path) -> None:
    signals = Signals(tmp_path / "signals")
    with serve(
        "waits_in_warm",
        tmp_path,
        "--listen-early",
        environment=signals.environment,
        wait=False,
    ) as server:
        server.wait_live()
        signals.wait_note("warms")
        answer = server.get("/v2/models/waits_in_warm/ready")
        assert answer.status == 503
        assert answer.json["reason"] == "The model is loading."
        signals.allow("go")
        wait_for(lambda: server.get("/v2/models/waits_in_warm/ready").status == 200)


def test_a_model_that_says_that_it_is_not_well_is_not_ready(tmp_path: Path) -> None:
    signals = Signals(tmp_path / "signals")
    with serve("says_how_it_is", tmp_path, environment=signals.environment) as server:
        path = "/v2/models/says_how_it_is/ready"
        assert server.get(path).status == 200
        signals.allow("be ill")
        wait_for(lambda: server.get(path).status == 503)
        assert "RuntimeError: the licence has ended" in server.get(path).json["reason"]
        assert server.predict("says_how_it_is").status == 200  # it is only said
        signals.forbid("be ill")
        wait_for(lambda: server.get(path).status == 200)
