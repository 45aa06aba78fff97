# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Results as a run would make them, without a run."""

from benchmarks.results import Results

MACHINE = {
    "processor": "A processor",
    "cores": "2",
    "memory": "8 GiB",
    "system": "Linux 6",
    "python": "3.11.7",
    "client": "wrk",
}
SERVERS = {"limit": "one worker", "ours": "DEEPaaS", "fastapi": "FastAPI", "cog": "Cog"}


def made(*figures: tuple[str, str, str, list[float]]) -> Results:
    """Make results of (workload, server, figure, its values)."""
    rounds = max((len(values) for *_, values in figures), default=1)
    results = Results("2026-11-22T20:00+00:00", MACHINE, rounds, SERVERS)
    for workload, server, figure, values in figures:
        results.cell(workload, server).values[figure] = values
    return results
