# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Show the results as tables: Markdown for the terminal, reStructuredText for the documentation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.targets import LIMIT, OURS, Verdict, judge
from benchmarks.workloads import WORKLOADS, Workload

#: Figure to what it is called in a row, with its unit.
LABELS = {
    "requests_per_s": "requests/s",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "health_p50_ms": "health p50, ms",
    "health_p99_ms": "health p99, ms",
    "health_worst_ms": "health worst, ms",
    "seconds": "s",
    "growth_mb": "growth of memory, MB",
    "items_per_s": "items/s",
    "first_ms": "first item, ms",
    "start_s": "to the first answer, s",
    "pss_mb": "idle memory (PSS), MB",
    "cpu_us": "µs",
    "page_ms": "page of 100, p50, ms",
    "cancel_ms": "answered after, ms",
    "freed_s": "next one runs after, s",
    "resume_s": "s",
    "times_p50": "times p50 without",
    "times_p99": "times p99 without",
    "lines_per_s": "lines/s to each",
}
NOTHING = "–"
#: The text of a cell; ``None``: the table has no such row.
CellText = Callable[[Results, Workload, str, str], str | None]


@dataclass(frozen=True)
class Table:
    """Rows of text under a title."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def number(value: float) -> str:
    """Write a figure with three digits that count, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def tables(results: Results) -> list[Table]:
    """Make all tables that are not empty."""
    made = [
        Table("Medians, and ratios to one worker", *_grid(results, _median_text)),
        Table("Processor time of server and workers per request, µs", *_grid(results, _cpu_text)),
        Table("Spread: largest less smallest round, share of the median", *_grid(results, _spread)),
        _targets(results),
        _problems(results),
    ]
    return [table for table in made if table.rows]


def _measured(results: Results) -> Iterator[Workload]:
    return (each for each in WORKLOADS if each.name in results.cells)


def _median_text(results: Results, workload: Workload, figure: str, server: str) -> str | None:
    value = results.median(workload.name, server, figure)
    if value is None:
        return NOTHING
    ratio = results.ratio(workload.name, server, figure, LIMIT)
    # What may be nothing, such as a growth, has no ratio worth reading.
    if server == LIMIT or ratio is None or figure == "growth_mb":
        return number(value)
    return f"{number(value)} ({number(ratio)})"


def _cpu_text(results: Results, workload: Workload, figure: str, server: str) -> str | None:
    # One row a workload, and only where there are enough requests for a clock of 10 ms.
    if figure != "requests_per_s":
        return None
    value = results.median(workload.name, server, "cpu_us")
    return NOTHING if value is None else number(value)


def _spread(results: Results, workload: Workload, figure: str, server: str) -> str | None:
    if results.rounds < 2 or figure != workload.shown[0]:
        return None
    found = results.cells[workload.name].get(server)
    value = found.spread(figure) if found else None
    return NOTHING if value is None else f"{value:.0%}"


def _grid(results: Results, text: CellText) -> tuple[list[str], list[list[str]]]:
    header = ["Workload", *results.servers.values()]
    rows = []
    for workload in _measured(results):
        for figure in workload.shown:
            cells = [text(results, workload, figure, server) for server in results.servers]
            shown = [cell for cell in cells if cell is not None]
            if shown:
                label = f": {LABELS[figure]}" if text is not _cpu_text else ""
                rows.append([f"{workload.title}{label}", *shown])
    return header, rows


def _targets(results: Results) -> Table:
    header = ["Target", "Bound", "Reached", "Met"]
    measured = [each for each in judge(results) if each.target.workload in results.cells]
    return Table("Targets", header, [_target_row(each) for each in measured])


def _target_row(verdict: Verdict) -> list[str]:
    target = verdict.target
    title = next(each.title for each in WORKLOADS if each.name == target.workload)
    against = f", times {verdict.against}" if verdict.against else ""
    sign = "≥" if target.at_least else "≤"
    reached = NOTHING if verdict.reached is None else number(verdict.reached)
    met = {True: "yes", False: "no", None: "not measured"}[verdict.is_met]
    of = "" if target.of == OURS else f", {target.of}"
    return [
        f"{title}{of}: {LABELS[target.figure]}{against}",
        f"{sign} {target.bound:g}",
        reached,
        met,
    ]


def _problems(results: Results) -> Table:
    found: dict[tuple[str, str], list[str]] = {}
    for workload in _measured(results):
        for server, cell in results.cells[workload.name].items():
            if cell.problem:
                key = (results.servers.get(server, server), cell.problem)
                found.setdefault(key, []).append(workload.name)
    rows = [[server, ", ".join(names), why] for (server, why), names in found.items()]
    return Table("Not measured", ["Server", "Workloads", "Reason"], sorted(rows))


def _heading(results: Results) -> str:
    machine = results.machine
    return (
        f"Measured {results.date.replace('T', ' ').removesuffix('+00:00')} UTC,"
        f" rounds: {results.rounds}. {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory']}; {machine['system']}; Python {machine['python']};"
        f" loads by {machine['client']}."
    )


def markdown(results: Results) -> str:
    """Write all tables in Markdown."""
    lines = [_heading(results), ""]
    for table in tables(results):
        lines += [f"## {table.title}", ""]
        for row in (table.header, ["---"] * len(table.header), *table.rows):
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |")
        lines.append("")
    return "\n".join(lines)


def restructured(results: Results) -> str:
    """Write all tables in reStructuredText, to be included by a page."""
    lines = [".. Written by make bench; do not edit.", "", _heading(results), ""]
    for table in tables(results):
        lines += [f".. list-table:: {table.title}", "   :header-rows: 1", ""]
        for row in (table.header, *table.rows):
            for position, cell in enumerate(row):
                lines.append(f"   {'*' if position == 0 else ' '} - {_escaped(cell)}")
        lines.append("")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    for sign in ("\\", "*", "`", "|", "_"):
        text = text.replace(sign, "\\" + sign)
    return text
