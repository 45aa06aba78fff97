# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Medians, spread and ratios are those of the rounds; a failed round leaves none."""

from pathlib import Path

import pytest

from benchmarks.results import Cell, read, rotated, write
from tests.unit.benchmarks.made import made


def test_the_median_and_the_spread_are_those_of_the_rounds() -> None:
    cell = Cell()
    for value in (10.0, 30.0, 20.0):
        cell.add({"p50_ms": value})
    assert cell.median("p50_ms") == 20
    assert cell.spread("p50_ms") == 1.0
    assert cell.median("p99_ms") is cell.spread("p99_ms") is None


def test_a_cell_with_a_problem_has_no_median() -> None:
    cell = Cell({"p50_ms": [1.0]}, problem="it ended")
    assert cell.median("p50_ms") is None


def test_a_ratio_needs_both_sides() -> None:
    results = made(
        ("noop-1", "limit", "p50_ms", [2.0]),
        ("noop-1", "ours", "p50_ms", [3.0]),
    )
    assert results.ratio("noop-1", "ours", "p50_ms", "limit") == 1.5
    assert results.ratio("noop-1", "fastapi", "p50_ms", "limit") is None
    assert results.ratio("noop-1", "ours", "p50_ms", "fastapi") is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = made(("noop-1", "ours", "p50_ms", [3.0, 4.0]))
    results.cell("noop-1", "cog").problem = "it cannot"
    file = tmp_path / "folder" / "latest.json"
    write(results, file)
    assert read(file) == results


def test_results_of_another_format_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text('{"format": 0}')
    with pytest.raises(ValueError, match="no file of results"):
        read(file)


def test_every_round_begins_with_another_server() -> None:
    assert [rotated("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated("abc", 5)) == ["a", "b", "c"]
    assert rotated([], 3) == []
