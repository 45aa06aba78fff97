# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Queued predictions on real servers that are busy, stopped and killed."""

import http.client
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import MODELS, Answer, Server, serve, wait_for
from tests.integration.place import kill
from tests.integration.signals import Signals, serve_signalling
from tests.integration.state import State

WAITS, DIES, STREAMS = "waits_in_predict", "killed_in_predict", "streams"
MUCH, LIMITED = "returns_much", "limits_itself"
ASYNC = {"Prefer": "respond-async"}
FINAL = ("done", "error", "cancelled", "interrupted")
MB = 1024 * 1024


def post(server: Server, model: str, query: str, headers: Mapping[str, str] = ASYNC) -> Answer:
    return server.request("POST", f"/v2/models/{model}/predict/?{query}", headers=headers)


def queue(server: Server, model: str, query: str, **headers: str) -> str:
    """Queue a prediction, and return its path."""
    answer = post(server, model, query, {**ASYNC, **headers})
    assert answer.status == 202, answer.text
    return answer.headers["Location"]


def ended(server: Server, path: str) -> Any:
    """Wait for the end of a job, and return it."""
    return wait_for(lambda: (job := server.get(path).json)["state"] in FINAL and job)


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    """Two workers of a model that waits until it is allowed to answer."""
    folder = tmp_path_factory.mktemp(WAITS)
    with serve_signalling(WAITS, folder, "--workers=2", "--predict-max-queue=0") as found:
        yield found


def test_of_two_workers_one_stays_free_for_direct_calls(waiting: tuple[Server, Signals]) -> None:
    """And a queue that takes no direct call refuses none of them."""
    server, signals = waiting
    paths = [queue(server, WAITS, f"call=a{number}&until=a") for number in range(4)]
    signals.wait_note("begins a0")
    for _ in range(5):
        assert server.predict(WAITS, call="direct").status == 200
    assert [server.get(path).json["state"] for path in paths] == ["running", *["queued"] * 3]
    signals.allow("a")
    assert [ended(server, path)["state"] for path in paths] == ["done"] * 4
    begun = [note.split()[0] for note in signals.notes("begins a")]
    assert begun == ["0", "1", "2", "3"]
    assert server.get(f"{paths[2]}/result").json["predictions"]["call"] == "a2"


def test_one_that_runs_is_cancelled_and_followed(waiting: tuple[Server, Signals]) -> None:
    server, signals = waiting
    path = queue(server, WAITS, "call=b&until=b")
    signals.wait_note("begins b")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", f"{path}/events", headers={"Accept": "text/event-stream"})
    followed = connection.getresponse()
    cancelled = server.request("POST", f"{path}/cancel")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert '"cancelled"' in followed.read().decode().splitlines()[-2]  # and it ends
    connection.close()
    assert server.get(f"{path}/result").status == 409
    signals.allow("b")  # it has run on, as that of a client that has left
    assert server.delete(path).status == 204


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    """One worker for each of several models; who is left ends."""
    models = ",".join(str(MODELS / f"{name}.py") for name in (WAITS, DIES, STREAMS, MUCH, LIMITED))
    folder = tmp_path_factory.mktemp("several")
    with serve_signalling(models, folder, "--predict-kill-abandoned") as found:
        yield found


def test_the_worker_of_a_call_that_is_cancelled_ends_where_that_is_asked_for(
    several: tuple[Server, Signals],
) -> None:
    server, signals = several
    path = queue(server, WAITS, "call=x&until=never")
    signals.wait_note("begins x")
    server.request("POST", f"{path}/cancel")
    assert server.predict(WAITS, call="next").status == 200


@pytest.mark.parametrize("how", ["sigkill", "sys.exit"])
def test_one_whose_worker_dies_has_a_clear_end_and_is_not_run_again(
    several: tuple[Server, Signals], how: str
) -> None:
    server, _ = several
    path = queue(server, DIES, f"how={how}")
    job = ended(server, path)
    assert (job["state"], job["attempt"]) == ("error", 1)
    direct = server.predict(DIES, how=how)
    result = server.get(f"{path}/result")
    assert (result.status, result.text) == (direct.status, direct.text)
    assert result.status == 503
    assert "Retry-After" not in result.headers


@pytest.mark.parametrize(
    "accept", ["application/json", "text/event-stream", "application/x-ndjson"]
)
def test_a_stream_is_collected_in_the_form_that_was_asked_for(
    several: tuple[Server, Signals], accept: str
) -> None:
    server, _ = several
    direct = post(server, STREAMS, "count=3", {"Accept": accept})
    path = queue(server, STREAMS, "count=3", Accept=accept)
    assert ended(server, path)["state"] == "done"
    result = server.get(f"{path}/result")
    assert (result.status, result.body) == (200, direct.body)
    assert result.headers["Content-Type"] == direct.headers["Content-Type"]
    path = queue(server, STREAMS, "fails=raises", Accept=accept)
    assert ended(server, path)["message"] == "ValueError: no more of them"
    assert server.get(f"{path}/result").text == "500: ValueError: no more of them"


def test_a_large_result_goes_past_the_server(several: tuple[Server, Signals]) -> None:
    server, _ = several
    size = 48 * MB
    assert post(server, MUCH, "size=1000", {}).status == 200
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak begins anew
    before = peak_mb(server)
    path = queue(server, MUCH, f"size={size}")
    assert ended(server, path)["state"] == "done"
    result = server.get(f"{path}/result")
    assert len(result.body) == size
    assert result.headers["Content-Length"] == str(size)
    assert peak_mb(server) - before < 16


def peak_mb(server: Server) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def test_one_that_takes_too_long_is_answered_so(several: tuple[Server, Signals]) -> None:
    server, _ = several
    path = queue(server, LIMITED, "seconds=3600")
    job = ended(server, path)
    assert job["state"] == "error"
    assert "longer than the limit" in job["message"]
    result = server.get(f"{path}/result")
    assert (result.status, result.text) == (504, f"504: {job['message']}")


# Servers that come and go


def test_a_server_that_is_killed_loses_none_and_runs_none_twice(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with serve_signalling(WAITS, tmp_path) as (server, signals):
        running = queue(server, WAITS, "call=running&until=go")
        signals.wait_note("begins running")
        waiting = queue(server, WAITS, "call=waiting&until=go")
        kill(server)
    signals.allow("go")
    with serve_signalling(WAITS, tmp_path) as (server, signals):
        job = ended(server, running)
        assert job["state"] == "interrupted"
        assert "POST …/retry" in job["message"]
        assert server.get(f"{running}/result").status == 409
        assert ended(server, waiting)["state"] == "done"
        again = server.request("POST", f"{running}/retry")
        assert again.status == 201
        assert ended(server, again.headers["Location"])["state"] == "done"
        assert len(signals.notes("begins running")) == 2
        assert len(signals.notes("begins waiting")) == 1
    assert state.moves(id_of(running)) == ["running", "interrupted"]
    assert state.moves(id_of(waiting)) == ["running", "done"]


def test_a_server_that_is_told_to_end_finishes_what_the_grace_allows(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with serve_signalling(WAITS, tmp_path, "--shutdown-grace=60") as (server, signals):
        running = queue(server, WAITS, "call=running&until=go")
        signals.wait_note("begins running")
        waiting = queue(server, WAITS, "call=waiting")
        server.signal(signal.SIGTERM)
        wait_for(lambda: server.get("/v2/health/ready").status == 503)
        assert post(server, WAITS, "call=late").status == 202  # it is durable
        signals.allow("go")
        assert server.wait_end() == 0
        assert "Traceback" not in server.output()
    assert state.row(id_of(running))["state"] == "done"
    assert state.row(id_of(waiting))["state"] == "queued"
    with serve_signalling(WAITS, tmp_path, "--shutdown-grace=0.1") as (server, signals):
        assert ended(server, waiting)["attempt"] == 1
        assert server.get(f"{running}/result").json["predictions"]["call"] == "running"
        never = queue(server, WAITS, "call=never&until=never")
        signals.wait_note("begins never")
        server.signal(signal.SIGTERM)
        assert server.wait_end() == 0
        assert "Traceback" not in server.output()
    row = state.row(id_of(never))
    assert (row["state"], row["message"].split(".")[0]) == (
        "interrupted",
        "The server was stopped while it ran",
    )


def test_a_model_in_the_server_runs_them_too(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with serve_signalling(WAITS, tmp_path, "--workers=0", "--shutdown-grace=0.1") as (
        server,
        signals,
    ):
        done = queue(server, WAITS, "call=done")
        assert ended(server, done)["state"] == "done"
        assert server.get(f"{done}/result").json["predictions"]["call"] == "done"
        running = queue(server, WAITS, "call=running&until=never")
        signals.wait_note("begins running")
        server.signal(signal.SIGTERM)
        assert server.wait_end() == 0
    assert state.row(id_of(running))["state"] == "interrupted"


def test_two_servers_on_one_state_directory_run_each_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    noting = State(state)
    signals = Signals(tmp_path / "signals")
    options: Any = {"state_dir": state, "environment": signals.environment}
    with serve(WAITS, tmp_path, **options) as one, serve(WAITS, tmp_path, **options) as two:
        paths = [queue(server, WAITS, f"call=c{n}") for n in range(10) for server in (one, two)]
        for path in paths:
            assert ended(one, path)["state"] == "done"
            assert two.get(f"{path}/result").status == 200
    assert len(signals.notes("begins")) == 20
    assert all(noting.moves(id_of(path)) == ["running", "done"] for path in paths)


#: Where a server is killed, how the job ends then, and how often the model was called.
POINTS = {
    "after claim": ("done", 1),
    "after begin": ("interrupted", 0),
    "before keep": ("interrupted", 1),
    "after keep": ("done", 1),
    "before finish": ("done", 1),
}


def killed_at(folder: Path, point: str) -> str | None:
    """Kill a server at a point, start another, and return what is wrong then."""
    folder.mkdir()
    state = State(folder / "state")
    wrapper = (sys.executable, "-m", "tests.integration.killed_at", *point.split())
    signals = Signals(folder / "signals")
    environment = signals.environment
    with serve(WAITS, folder, "--workers=0", wrapper=wrapper, environment=environment) as server:
        try:
            post(server, WAITS, "call=x")
        except (ConnectionError, http.client.HTTPException):
            pass  # it was killed before it answered
        assert server.wait_end() == -signal.SIGKILL
    (job,) = state.jobs()
    path = f"/v2/models/{WAITS}/jobs/{job}"
    with serve(WAITS, folder, environment=environment) as server:
        found = ended(server, path)["state"], len(signals.notes("begins x"))
        wait_for(lambda: state.is_final(job))
        status = server.get(f"{path}/result").status
    if found != POINTS[point] or status != (200 if found[0] == "done" else 409):
        return f"{point}: {found}, {status}"
    final = [each for each in state.moves(job) if each in FINAL]
    return None if len(final) == 1 else f"{point}: {final}"


def test_a_kill_at_any_write_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda point: killed_at(tmp_path / point.replace(" ", "-"), point), POINTS)
    assert [text for text in found if text] == []
