# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What was measured: figures by workload, server and round; medians and spread of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

#: Written into a file of results; a reader refuses another one.
FORMAT = 1


@dataclass
class Cell:
    """One workload on one server."""

    #: Figure to its values, one a round.
    values: dict[str, list[float]] = field(default_factory=dict)
    #: Why there are no figures, or not as many as rounds.
    problem: str | None = None

    def add(self, figures: Mapping[str, float]) -> None:
        """Add the figures of a round."""
        for name, value in figures.items():
            self.values.setdefault(name, []).append(value)

    def median(self, figure: str) -> float | None:
        """Return the median of a figure; ``None`` if a round failed or the figure is not there."""
        values = self.values.get(figure)
        return median(values) if values and self.problem is None else None

    def spread(self, figure: str) -> float | None:
        """Return how far the rounds lie apart: the largest less the smallest, in medians."""
        middle = self.median(figure)
        if not middle:
            return None
        values = self.values[figure]
        return (max(values) - min(values)) / middle


@dataclass
class Results:
    """A whole run."""

    #: When it began, ISO 8601.
    date: str
    #: Processor, cores, memory, system, Python, client.
    machine: dict[str, str]
    rounds: int
    #: Name to title, in the order of the table; what was measured.
    servers: dict[str, str]
    #: Workload to server to cell.
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def cell(self, workload: str, server: str) -> Cell:
        """Return a cell, an empty one if there is none yet."""
        return self.cells.setdefault(workload, {}).setdefault(server, Cell())

    def median(self, workload: str, server: str, figure: str) -> float | None:
        """Return a median, ``None`` if it was not measured."""
        cell = self.cells.get(workload, {}).get(server)
        return cell.median(figure) if cell else None

    def ratio(self, workload: str, server: str, figure: str, to: str) -> float | None:
        """Return a median over that of another server, ``None`` if one is missing."""
        one = self.median(workload, server, figure)
        other = self.median(workload, to, figure)
        return one / other if one is not None and other else None


def _plain(results: Results) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": results.date,
        "machine": results.machine,
        "rounds": results.rounds,
        "servers": results.servers,
        "cells": {
            workload: {
                server: {"values": cell.values, "problem": cell.problem}
                for server, cell in row.items()
            }
            for workload, row in results.cells.items()
        },
    }


def write(results: Results, file: Path) -> None:
    """Write them as JSON; the folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(_plain(results), option=orjson.OPT_INDENT_2))


def read(file: Path) -> Results:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: It is of another format.
    """
    found = orjson.loads(file.read_bytes())
    if found.pop("format", None) != FORMAT:
        raise ValueError(f"{file} is no file of results of this version")
    cells = {
        workload: {server: Cell(**cell) for server, cell in row.items()}
        for workload, row in found.pop("cells").items()
    }
    return Results(**found, cells=cells)


def rotated(items: Sequence[Any], by: int) -> list[Any]:
    """Begin with another one in every round: none has always the machine that another left."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]
