# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The tools that measure and soak run, on our own servers, and show what they saw."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from benchmarks import __main__ as bench
from benchmarks import results, servers, soak
from benchmarks.contenders import LIMIT, Contender
from benchmarks.measuring import QUICK, first_answer, request_of
from benchmarks.workloads import WORKLOADS


@pytest.mark.parametrize("workload", ["noop-16", "upload-10"])
def test_a_workload_is_measured_on_the_limits_and_on_ours(
    workload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "latest.json", tmp_path / "table.txt"
    assert (
        bench.main(
            [
                *("--quick", "--peers=", f"--only={workload}"),
                *(f"--json={file}", f"--table={page}"),
            ]
        )
        == 0
    )
    found = results.read(file)
    for server in ("in-process", "limit", "ours"):
        [*figures] = found.cells[workload][server].values
        assert figures
        assert all((found.median(workload, server, each) or 0) >= 0 for each in figures)
    assert "| Workload | in-process | one worker | DEEPaaS |" in capsys.readouterr().out
    assert ".. list-table:: Medians" in page.read_text("utf-8")


def test_a_wrong_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only=nothing"]) == 2
    assert "There is no workload 'nothing'" in capsys.readouterr().err


def names_of(processes: Iterable[psutil.Process]) -> list[str]:
    """Return the names of those that are still there."""
    names = []
    for process in processes:
        try:
            names.append(process.name())
        except psutil.NoSuchProcess:
            continue
    return names


def test_nothing_of_a_server_is_left_whatever_it_started() -> None:
    """Not even a process in a session of its own whose parent has ended."""

    def command(python: str, model: str, port: int) -> list[str]:
        return ["sh", "-c", "(setsid sleep 600 &) ; exec sleep 601"]

    with servers.serve(Contender("odd", "odd", command), "noop", sys.executable) as server:
        deadline = time.monotonic() + 20
        # The shells on the way there are processes as well.
        while names_of(started := server.processes()) != ["sleep", "sleep"]:
            assert time.monotonic() < deadline, started
            time.sleep(0.01)
        folder = server.folder
    assert [each for each in started if each.is_running()] == []
    assert len(server.left) == 1
    assert not folder.exists()


def test_a_server_that_ends_or_answers_wrongly_is_said_to_have_failed() -> None:
    def ends(python: str, model: str, port: int) -> list[str]:
        return ["sh", "-c", "echo no such thing; exit 3"]

    start, *_ = WORKLOADS
    call = request_of(LIMIT, start)
    with (
        servers.serve(Contender("odd", "odd", ends), "noop", sys.executable) as server,
        pytest.raises(servers.ServerFailed, match="status 3: no such thing"),
    ):
        first_answer(server, call, start, QUICK)
    with (
        servers.serve(LIMIT, "single", sys.executable) as server,
        pytest.raises(servers.ServerFailed, match="answered wrongly"),
    ):
        first_answer(server, call, start, QUICK)


@pytest.mark.slow
def test_a_tenth_of_the_soak_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.run(soak.CALLS // 10) == []
    assert "20,000 calls in" in capsys.readouterr().out
