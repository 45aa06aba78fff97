# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The tools that measure and soak run, on our own servers, and show what they saw."""

from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import results, soak


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


@pytest.mark.slow
def test_a_tenth_of_the_soak_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.run(soak.CALLS // 10) == []
    assert "20,000 calls in" in capsys.readouterr().out
