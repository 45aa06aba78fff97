# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tables show what was measured, and say what was not and why."""

import pytest

from benchmarks.report import Table, markdown, number, restructured, tables
from tests.unit.benchmarks.made import made


def table(title: str, found: list[Table]) -> Table:
    return next(each for each in found if each.title.startswith(title))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.123, "0.12"), (9.5, "9.50"), (12.34, "12.3"), (15800.4, "15,800")],
)
def test_a_figure_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_cell_has_the_median_and_its_ratio_to_the_limit() -> None:
    results = made(
        ("noop-64", "limit", "requests_per_s", [10000.0, 20000.0, 15000.0]),
        ("noop-64", "ours", "requests_per_s", [9000.0, 12000.0, 10000.0]),
    )
    rows = table("Medians", tables(results)).rows
    assert rows[0] == ["No-op, concurrency 64: requests/s", "15,000", "10,000 (0.67)", "–", "–"]
    spread = table("Spread", tables(results)).rows
    assert spread == [["No-op, concurrency 64: requests/s", "67%", "30%", "–", "–"]]


def test_processor_time_has_one_row_a_load() -> None:
    results = made(("noop-64", "ours", "cpu_us", [100.0]), ("start", "ours", "start_s", [0.5]))
    rows = table("Processor", tables(results)).rows
    assert rows == [["No-op, concurrency 64", "–", "100", "–", "–"]]


def test_what_was_not_measured_is_listed_with_its_reason() -> None:
    results = made(("batch-1", "ours", "p50_ms", [5.0]))
    for workload in ("batch-1", "batch-64"):
        results.cell(workload, "cog").problem = "it has no batching"
    assert table("Not measured", tables(results)).rows == [
        ["Cog", "batch-64, batch-1", "it has no batching"]
    ]


def test_a_run_of_nothing_has_no_tables() -> None:
    assert tables(made()) == []


def test_both_forms_name_machine_and_date() -> None:
    results = made(("noop-1", "ours", "p50_ms", [3.0]))
    results.cell("noop-1", "cog").problem = "it said `no` | *never*"
    for text in (markdown(results), restructured(results)):
        assert "Measured 2026-11-22 20:00 UTC, rounds: 1. A processor, 2 cores, 8 GiB" in text
    assert r"it said `no` \| *never*" in markdown(results)
    assert r"it said \`no\` \| \*never\*" in restructured(results)
    assert ".. list-table:: Medians" in restructured(results)
