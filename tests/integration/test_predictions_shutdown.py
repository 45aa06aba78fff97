# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The ends of servers and guards: nothing hangs, and nothing is left over."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.signals import Signals, serve_signalling

FORKS, WAITS, KEEPS = "forks_in_predict", "waits_in_predict", "keeps_uploads_paths"
PLAIN = "killed_in_predict"
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def is_permitted(command: tuple[str, ...]) -> bool:
    """Whether this user may make a namespace here."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


def is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False  # it went between the two questions


def gone(processes: list[psutil.Process]) -> bool:
    return not any(is_there(process) for process in processes)


def zombies(parent: psutil.Process) -> list[psutil.Process]:
    """Return what has ended below a process and was not collected."""
    return [
        child for child in parent.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE
    ]


def has_another_guard(server: Server, old: int) -> bool:
    return [process.pid for process in server.running("guard")] not in ([], [old])


@contextmanager
def busy(
    how: str, tmp_path: Path, *options: str
) -> Iterator[tuple[Server, Signals, list[psutil.Process]]]:
    """Run a server whose worker is in a call and has started a process."""
    with serve_signalling(FORKS, tmp_path, *options) as (server, signals):
        connection = server.send(f"/v2/models/{FORKS}/predict/?how={how}")
        signals.wait_note("parent")
        child = psutil.Process(int(signals.wait_note("child")[0]))
        processes = [child, *(p for p in server.processes() if p.pid != server.pid)]
        yield server, signals, processes
        connection.close()


@pytest.mark.row("F13")
@pytest.mark.parametrize("how", ["fork", "setsid", "subprocess"])
def test_a_server_that_is_killed_leaves_no_process(how: str, tmp_path: Path) -> None:
    with busy(how, tmp_path) as (server, _, processes):
        server.signal(signal.SIGKILL)
        assert server.wait_end() == -signal.SIGKILL
        wait_for(lambda: gone(processes), limit_s=15)
        assert not server.processes()


def test_a_server_that_is_killed_leaves_no_upload(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with serve_signalling(KEEPS, tmp_path, environment={"TMPDIR": str(temporary)}) as (
        server,
        signals,
    ):
        call = server.in_background(
            lambda: server.upload(
                f"/v2/models/{KEEPS}/predict/", [("data", "a.png", b"abc")], [("then", "wait")]
            )
        )
        [path] = signals.wait_note("/")
        assert Path("/" + path).exists()
        server.signal(signal.SIGKILL)
        wait_for(lambda: not list(temporary.iterdir()), limit_s=15)
        assert isinstance(call.exception(), ConnectionError)


@pytest.mark.parametrize("whole_group", [False, True], ids=["server", "group"])
def test_sigterm_ends_a_busy_server_with_status_0_and_leaves_no_process(
    whole_group: bool, tmp_path: Path
) -> None:
    with busy("setsid", tmp_path) as (server, _, processes):
        if whole_group:
            os.killpg(server.pid, signal.SIGTERM)
        else:
            server.signal(signal.SIGTERM)
        assert server.wait_end(limit_s=20) == 0
        assert gone(processes)
        assert not server.processes()
        assert "Traceback" not in server.output()


@pytest.mark.row("F12")
def test_sigterm_ends_an_idle_server_with_status_0_and_leaves_no_process(tmp_path: Path) -> None:
    with serve(PLAIN, tmp_path, "--workers=2") as server:
        processes = server.processes()
        assert len(processes) == 4
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait_end(limit_s=20) == 0
        assert gone(processes)
        assert "Traceback" not in server.output()


def test_a_call_that_runs_at_sigterm_gets_its_grace_and_is_answered(tmp_path: Path) -> None:
    with serve_signalling(WAITS, tmp_path, "--shutdown-grace=30") as (server, signals):
        running = server.in_background(partial(server.predict, WAITS, call="x", until="go"))
        signals.wait_note("begins x")
        server.signal(signal.SIGTERM)
        wait_for(lambda: "Stopping" in server.output())
        signals.allow("go")
        assert running.result().status == 200
        assert server.wait_end(limit_s=20) == 0


def test_sigterm_while_a_model_loads_ends_the_server(tmp_path: Path) -> None:
    signals = Signals(tmp_path / "signals")
    with serve("waits_in_warm", tmp_path, environment=signals.environment, wait=False) as server:
        signals.wait_note("warms")
        server.signal(signal.SIGTERM)
        assert server.wait_end(limit_s=20) == 0
        assert not server.processes()


def test_when_the_guard_is_killed_calls_fail_soon_and_workers_come_back(tmp_path: Path) -> None:
    with busy("setsid", tmp_path) as (server, signals, processes):
        call = server.in_background(partial(server.predict, FORKS))
        [guard] = server.running("guard")
        guard.kill()
        answer = call.result()
        # It was queued behind the one that ran, and is answered by a worker of the next guard.
        assert answer.status == 200
        assert answer.json["predictions"] not in [process.pid for process in processes]
        wait_for(lambda: gone(processes), limit_s=15)
        assert len(server.running("guard")) == 1
        assert len(server.running("worker predict")) == 1
        again = server.in_background(partial(server.predict, FORKS, how="fork"))
        signals.wait_note("parent", count=2)
        [guard] = server.running("guard")
        guard.kill()
        assert again.result().status == 503
        assert server.predict(FORKS).status == 200


def test_guard_and_worker_killed_at_the_same_moment_are_both_replaced(tmp_path: Path) -> None:
    with serve(PLAIN, tmp_path, "--workers=2") as server:
        for order in (1, -1):
            [guard] = server.running("guard")
            [worker, _] = server.running("worker predict")
            for process in (worker, guard)[::order]:
                with suppress(psutil.NoSuchProcess):  # a worker goes with its guard
                    process.kill()
            # A worker that has not yet noticed that its guard is gone may begin it.
            assert server.predict(PLAIN).status in {200, 503}
            wait_for(partial(has_another_guard, server, guard.pid))
            wait_for(lambda: server.get("/v2/health/ready").json["models"][0]["workers"] == 2)
            assert server.predict(PLAIN).status == 200
        assert "Exception in callback" not in server.output()


def test_a_server_as_process_1_serves_reaps_orphans_and_ends_with_status_0(
    tmp_path: Path,
) -> None:
    if not is_permitted(NAMESPACE):
        pytest.skip("making a pid namespace is not permitted here")
    signals = Signals(tmp_path / "signals")
    with serve(FORKS, tmp_path, environment=signals.environment, wrapper=NAMESPACE) as server:
        [process] = psutil.Process(server.pid).children()
        assert "deepaas.cmd.run" in process.cmdline()
        assert server.predict(FORKS, how="multiprocessing").json["predictions"] == 0
        # One whose parent is killed goes to the guard; once that is killed too, to the server.
        for victim in ("worker predict", "guard"):
            answer = server.in_background(partial(server.predict, FORKS, how="orphan"))
            assert answer.result().status == 200
            for found in server.running(victim):
                with suppress(psutil.NoSuchProcess):
                    found.kill()
            # A worker that has not yet noticed that its guard is gone may begin it.
            assert server.predict(FORKS).status in {200, 503}
            wait_for(lambda: server.predict(FORKS).status == 200)
        wait_for(lambda: not zombies(process))
        process.send_signal(signal.SIGTERM)
        assert server.wait_end(limit_s=20) == 0
        assert not server.processes()
