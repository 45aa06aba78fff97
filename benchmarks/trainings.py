# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Measure what trainings cost: their clients, the operator, and predictions meanwhile."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

import orjson

from benchmarks import client
from benchmarks.answers import BadAnswer
from benchmarks.client import Connection
from benchmarks.contenders import Contender
from benchmarks.servers import Server, ServerFailed, restarted
from benchmarks.workloads import Workload, arguments_of

Figures = dict[str, float]
_MODEL = "/v2/models/train"
#: Longer than anything that is measured meanwhile.
_LONG_S = 600.0
_PATIENCE_S = 60.0
_LOOK_S = 0.005
_ASKED = 30
#: Followers of one log, and how many lines a second it grows by.
FOLLOWERS = 20
_LINES_PER_S = 1000
#: How far a training is when it is killed.
_SOME = 3
_COPIES = """
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO jobs (id, {others})
    SELECT lower(hex(randomblob(16))), {others} FROM jobs, numbers WHERE id = :job
"""


def measure(server: Server, contender: Contender, workload: Workload, seconds: float) -> Figures:
    """Measure what a workload of trainings is about.

    Args:
        server: Fresh, and ready.
        contender: Which one it is.
        workload: Its name says what is measured.
        seconds: Of one load.

    Raises:
        ServerFailed, BadAnswer, OSError: It could not do it.
    """
    trainings = Trainings(server, contender)
    match workload.name.split("-")[1]:
        case "submit":
            return trainings.submit_latency()
        case "list":
            return trainings.list_latency(workload.amount)
        case "cancel":
            return trainings.cancel()
        case "resume":
            return trainings.resume()
        case "beside":
            return trainings.predictions_beside(seconds)
        case "followers":
            return trainings.followers(seconds)
    raise AssertionError(workload.name)


class Trainings:
    """The trainings of one server, by REST."""

    def __init__(self, server: Server, contender: Contender) -> None:
        self._server = server
        self._contender = contender
        #: Job to the file that its function makes first.
        self._marks: dict[str, Path] = {}

    def submit_latency(self) -> Figures:
        """Submit trainings behind one that runs, one after the other."""
        self._wait_running(self._submit(seconds=_LONG_S))
        return self._latencies(lambda: self._submit(seconds=0))

    def list_latency(self, count: int) -> Figures:
        """List the trainings of the model, of which there are ``count``."""
        if self._contender.is_peer:
            ids = [self._submit(seconds=0) for _ in range(count)]
        else:
            ids = [self._submit(seconds=0)]
        for job in ids:
            self._until(lambda job=job: self._status(job) != "running")
        if not self._contender.is_peer:
            self._copy(ids[0], count - 1)
        listed = self._ask("GET", f"{_MODEL}/train/")
        if len(listed) < min(count, 1000):
            raise ServerFailed(f"it lists {len(listed)} of {count} trainings")
        figures = self._latencies(lambda: self._ask("GET", f"{_MODEL}/train/"))
        if not self._contender.is_peer:
            page = self._latencies(lambda: self._ask("GET", f"{_MODEL}/jobs/?limit=100"))
            figures["page_ms"] = page["p50_ms"]
        return figures

    def cancel(self) -> Figures:
        """Cancel a training that runs; its slot is free when the next one runs."""
        first = self._submit(seconds=_LONG_S)
        self._wait_running(first)
        following = self._submit(seconds=_LONG_S)
        started = time.perf_counter()
        self._ask("DELETE", f"{_MODEL}/train/{first}")
        answered = time.perf_counter()
        self._wait_running(following)
        freed = time.perf_counter()
        return {"cancel_ms": (answered - started) * 1000, "freed_s": freed - started}

    def resume(self) -> Figures:
        """Kill the server, and everything below it, while it trains; start it again."""
        job = self._submit(seconds=_LONG_S)
        self._until(lambda: self._done(job) >= _SOME)
        for process in self._server.processes():
            os.kill(process.pid, signal.SIGKILL)
        with restarted(self._server) as server:
            again = Trainings(server, self._contender)
            again._until(lambda: again._resumed(job))
            return {"resume_s": time.perf_counter() - server.started_s}

    def predictions_beside(self, seconds: float) -> Figures:
        """Predict with one client, alone and while a training keeps a processor busy."""
        call = self._contender.call("train", arguments_of("noop")).raw
        alone = self._load(call, seconds)
        self._wait_running(self._submit(seconds=_LONG_S))
        beside = self._load(call, seconds)
        return {
            "p99_ms": beside["p99_ms"],
            "times_p50": beside["p50_ms"] / alone["p50_ms"],
            "times_p99": beside["p99_ms"] / alone["p99_ms"],
        }

    def followers(self, seconds: float) -> Figures:
        """Ask for the health while :data:`FOLLOWERS` follow the log of one training."""
        job = self._submit(seconds=_LONG_S, lines_per_s=_LINES_PER_S)
        self._wait_running(job)
        received = [0] * FOLLOWERS
        is_over = threading.Event()

        def follow(number: int) -> None:
            path = f"{_MODEL}/jobs/{job}/log?follow=true"
            request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            with Connection(self._server.port) as connection:
                connection.send(request)
                while not is_over.is_set():
                    received[number] += connection.receive_some().count(b"\n")

        threads = [threading.Thread(target=follow, args=(n,)) for n in range(FOLLOWERS)]
        for thread in threads:
            thread.start()
        try:
            self._until(lambda: all(received))
            before = sum(received)
            health = f"GET {self._contender.health} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            load, _ = client.call_again(
                self._server.port, health.encode(), clients=1, seconds=seconds, pause_s=0.002
            )
            lines = sum(received) - before
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        if load.problems:
            raise ServerFailed(load.problems[0])
        return {
            "health_worst_ms": max(load.latencies_s) * 1000,
            "lines_per_s": lines / FOLLOWERS / load.duration_s,
        }

    def _load(self, call: bytes, seconds: float) -> Figures:
        client.call_again(self._server.port, call, clients=1, seconds=seconds / 4)
        load, _ = client.call_again(self._server.port, call, clients=1, seconds=seconds)
        if load.problems or len(load.latencies_s) < 2:
            raise ServerFailed((load.problems or ["too few answers"])[0])
        return _cuts(load.latencies_s)

    def _latencies(self, ask: Callable[[], object]) -> Figures:
        ask()
        taken = []
        for _ in range(_ASKED):
            started = time.perf_counter()
            ask()
            taken.append(time.perf_counter() - started)
        return _cuts(taken)

    def _submit(self, **arguments: float) -> str:
        mark = self._server.folder / f"trains-{len(self._marks)}"
        query = urlencode({**arguments, "mark": mark})
        job = str(self._ask("POST", f"{_MODEL}/train/?{query}")["uuid"])
        self._marks[job] = mark
        return job

    def _status(self, job: str) -> str:
        return str(self._ask("GET", f"{_MODEL}/train/{job}")["status"])

    def _done(self, job: str) -> int:
        """Return how far a training says it is, 0 if it has not said so."""
        found = self._ask("GET", f"{_MODEL}/train/{job}")
        return int((found.get("progress") or {}).get("done") or 0)

    def _resumed(self, job: str) -> bool:
        found = self._ask("GET", f"{_MODEL}/jobs/{job}")
        return found["attempt"] > 1 and (found.get("progress") or {}).get("done", 0) > _SOME

    def _wait_running(self, job: str) -> None:
        """Wait until the function of a training runs."""
        self._until(self._marks[job].exists)

    def _until(self, what: Callable[[], object]) -> None:
        deadline = time.perf_counter() + _PATIENCE_S
        while True:
            try:
                if what():
                    return
            except OSError:
                pass  # it does not listen yet
            if time.perf_counter() > deadline:
                raise ServerFailed(f"what was waited for did not come: {self._server.output()}")
            self._server.require_running()
            time.sleep(_LOOK_S)

    def _ask(self, method: str, path: str) -> Any:
        request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
        with Connection(self._server.port) as connection:
            reader = connection.ask(request.encode())
        if reader.status not in (200, 202):
            raise ServerFailed(f"{method} answered {reader.status}")
        try:
            return orjson.loads(reader.body) if reader.body else None
        except orjson.JSONDecodeError as exc:
            raise BadAnswer(str(exc)) from exc

    def _copy(self, job: str, count: int) -> None:
        """Put copies of a training into our store, as if it had been submitted so often."""
        path = self._server.folder / "state" / "jobs.sqlite"
        with sqlite3.connect(path, timeout=_PATIENCE_S) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
            others = ", ".join(name for name in columns if name != "id")
            connection.execute(_COPIES.format(others=others), {"count": count, "job": job})
        connection.close()


def _cuts(taken_s: list[float]) -> Figures:
    cuts = quantiles(taken_s, n=100, method="inclusive")
    return {"p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}
