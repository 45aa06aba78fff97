# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What goes on in a service shows in its log, in its metrics, and in its history."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.harness import Server, wait_for
from tests.integration.signals import Signals, serve_signalling

MODEL = "logs_what_it_does"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    """Serve with everything that tells what goes on."""
    folder = tmp_path_factory.mktemp("watched")
    options = ("--use-json", "--access-log", "--history-interval=1")
    with serve_signalling(MODEL, folder, *options) as (server, signals):
        yield server, signals


def lines(server: Server, **facts: object) -> list[dict[str, Any]]:
    """Return the lines of the log with these facts; what is no JSON is what models print."""
    found = []
    for line in server.output().splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            if facts.items() <= record.items():
                found.append(record)
    return found


def metrics(server: Server) -> dict[tuple[str, frozenset[str]], float]:
    """Return each metric by its name and the values of its labels."""
    answer = server.get("/metrics")
    assert answer.status == 200
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_every_line_about_a_request_names_it(watched: tuple[Server, Signals]) -> None:
    """Those of the author's in the worker, those of ours, and that of the access log."""
    server, _ = watched
    asked = {"X-Request-ID": "asked-by-this-test"}
    path = f"/v2/models/{MODEL}/predict/"
    answer = server.request("POST", f"{path}?text=a%0Ab&fails=true", headers=asked)
    assert answer.status == 500
    wait_for(lambda: lines(server, action="request", request_id="asked-by-this-test"))
    found = lines(server, request_id="asked-by-this-test")
    assert {(line["logger"], line["model"], line["job"]) for line in found} == {
        ("author", MODEL, None),
        ("deepaas.service.predictions", MODEL, None),
        ("deepaas.access", MODEL, None),
    }
    by_logger = {line["logger"]: line for line in found}
    assert by_logger["author"]["message"] == "asked for a\nb"
    assert by_logger["author"]["process"] != by_logger["deepaas.access"]["process"]
    access = by_logger["deepaas.access"]
    assert (access["method"], access["path"], access["status"]) == ("POST", path, 500)
    assert access["bytes"] > len(answer.body)
    # What a model prints stays as it is.
    assert "\nprinted a\nb\n" in server.output()
    # Outside of requests the model is known all the same.
    assert lines(server, logger="author", message="warming", model=MODEL, request_id=None)


def test_a_queued_prediction_is_known_by_its_job_in_the_worker_s_log(
    watched: tuple[Server, Signals],
) -> None:
    server, _ = watched
    path = f"/v2/models/{MODEL}/predict/?text=later"
    answer = server.request("POST", path, headers={"Prefer": "respond-async"})
    assert answer.status == 202
    job = answer.json["id"]
    (line,) = wait_for(lambda: lines(server, logger="author", job=job))
    assert (line["message"], line["model"]) == ("asked for later", MODEL)


def test_what_goes_on_shows_in_the_metrics(watched: tuple[Server, Signals]) -> None:
    server, signals = watched
    assert server.predict(MODEL, text="x").status == 200
    job = server.request("POST", f"/v2/models/{MODEL}/train/").json["uuid"]

    def progress() -> float:
        return metrics(server).get(
            ("deepaas_job_progress_ratio", frozenset({MODEL, "train", job})), 0.0
        )

    assert wait_for(progress) == 0.25
    found = metrics(server)
    assert found["deepaas_jobs", frozenset({MODEL, "train", "running"})] == 1
    assert found["deepaas_workers", frozenset({MODEL, "ready"})] == 1
    assert found["deepaas_calls_total", frozenset({MODEL, "answered"})] >= 1
    assert found["deepaas_call_wait_seconds_count", frozenset({MODEL})] >= 1
    assert found["deepaas_workers_resident_memory_bytes", frozenset({MODEL})] > 1e6
    assert found["deepaas_server_resident_memory_bytes", frozenset()] > 1e6
    log = server.get(f"/v2/models/{MODEL}/jobs/{job}/log").text
    # The log of a training is text, and says in each line whose it is.
    assert f"] [model={MODEL} job={job}] training\n" in log
    signals.allow("go on")
    ended = ("deepaas_job_duration_seconds_count", frozenset({MODEL, "train", "done"}))
    assert wait_for(lambda: metrics(server).get(ended)) == 1


def test_a_worker_that_was_killed_is_counted(watched: tuple[Server, Signals]) -> None:
    server, _ = watched
    (worker,) = server.running("worker predict")
    worker.send_signal(signal.SIGKILL)
    died = ("deepaas_worker_ends_total", frozenset({MODEL, "died"}))
    assert wait_for(lambda: metrics(server)[died]) == 1


def test_the_history_is_there(watched: tuple[Server, Signals]) -> None:
    """With what was asked for until now, in minutes and in hours."""
    server, _ = watched

    def requests() -> int:
        answer = server.get(f"/v2/models/{MODEL}/history?step=hour")
        assert answer.status == 200
        return sum(sum(each["requests"].values()) for each in answer.json["samples"])

    server.predict(MODEL)
    assert wait_for(requests) >= 1
    samples = server.get(f"/v2/models/{MODEL}/history").json["samples"]
    assert samples[-1]["samples"] >= 1
    assert sum(sample["predictions"]["count"] for sample in samples) >= 1


def test_what_was_asked_last_is_in_the_history_of_the_next_server(tmp_path: Path) -> None:
    """Though no sample was due before the end."""
    with serve_signalling(MODEL, tmp_path, "--history-interval=3600") as (server, _):
        assert server.predict(MODEL).status == 200
    with closing(sqlite3.connect(next(tmp_path.rglob("jobs.sqlite")))) as database:
        rows = database.execute("SELECT step, samples, requests FROM monitoring").fetchall()
    assert [(row[0], row[1]) for row in rows] == [(60, 0), (3600, 0)]
    assert all(json.loads(row[2])["2xx"] >= 1 for row in rows)
