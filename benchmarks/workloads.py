# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is measured: models, the calls that are sent to them, and how."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

MB = 1_000_000
_COLUMNS = 100


class Kind(StrEnum):
    """How a workload is driven, which decides what figures it has."""

    #: Clients that call again and again: ``requests_per_s``, ``p50_ms``, ``p99_ms``, ``cpu_us``.
    LOAD = "load"
    #: The same, and the health endpoint asked meanwhile: also ``health_p50_ms``, ``health_p99_ms``,
    #: ``health_worst_ms``.
    HEALTH = "health"
    #: One upload at a time: ``seconds``, ``growth_mb``.
    UPLOAD = "upload"
    #: One stream at a time: ``items_per_s``, ``first_ms``.
    STREAM = "stream"
    #: A fresh server: ``start_s``, ``pss_mb``.
    START = "start"
    #: Trainings, on a fresh server; see :mod:`benchmarks.trainings`.
    TRAININGS = "trainings"


@dataclass(frozen=True)
class Workload:
    """One row of the table."""

    name: str
    title: str
    #: Which of the models is served; those of one model are measured on one start of a server.
    model: str
    kind: Kind = Kind.LOAD
    #: Clients at the same time.
    concurrency: int = 1
    #: Bytes of an upload, items of a stream.
    amount: int = 0
    #: Whether the server keeps to one processor and the client to another.
    pinned: bool = True
    #: Figures in the order in which they are shown.
    shown: Sequence[str] = field(default=("requests_per_s",))

    @property
    def start(self) -> tuple[object, ...]:
        """What is equal for workloads that are measured on one start of a server."""
        own = self.name if self.kind is Kind.TRAININGS else ""
        return (self.model, self.pinned, own)


def _trainings(name: str, title: str, *shown: str, amount: int = 0) -> Workload:
    return Workload(name, title, "train", Kind.TRAININGS, amount=amount, pinned=False, shown=shown)


_FULL = ("requests_per_s", "p50_ms", "p99_ms")
WORKLOADS = (
    Workload("start", "Start", "noop", Kind.START, pinned=False, shown=("start_s", "pss_mb")),
    Workload("noop-1", "No-op, concurrency 1", "noop", shown=_FULL),
    Workload("noop-16", "No-op, concurrency 16", "noop", concurrency=16, shown=_FULL),
    Workload("noop-64", "No-op, concurrency 64", "noop", concurrency=64, shown=_FULL),
    Workload("json-raw", "1 MB JSON array, concurrency 8", "raw", concurrency=8),
    Workload("json-floats", "The same, declared as lists of numbers", "floats", concurrency=8),
    Workload("binary", "1 MB binary, concurrency 8", "file", concurrency=8),
    Workload(
        "upload-10",
        "10 MB upload",
        "file",
        Kind.UPLOAD,
        amount=10 * MB,
        pinned=False,
        shown=("seconds", "growth_mb"),
    ),
    Workload(
        "upload-200",
        "200 MB upload",
        "file",
        Kind.UPLOAD,
        amount=200 * MB,
        pinned=False,
        shown=("seconds", "growth_mb"),
    ),
    Workload(
        "work",
        "20 ms of processor time, concurrency 8",
        "work",
        Kind.HEALTH,
        concurrency=8,
        pinned=False,
        shown=("requests_per_s", "health_p50_ms", "health_p99_ms", "health_worst_ms"),
    ),
    Workload("batch-64", "Batchable 5 ms, on, concurrency 64", "batch", concurrency=64),
    Workload("batch-1", "Batchable 5 ms, on, concurrency 1", "batch", shown=("p50_ms", "p99_ms")),
    Workload("single-64", "Batchable 5 ms, off, concurrency 64", "single", concurrency=64),
    Workload(
        "single-1", "Batchable 5 ms, off, concurrency 1", "single", shown=("p50_ms", "p99_ms")
    ),
    Workload(
        "stream-1000",
        "Stream of 1,000 items",
        "stream",
        Kind.STREAM,
        amount=1000,
        shown=("items_per_s", "first_ms"),
    ),
    Workload(
        "stream-10000",
        "Stream of 10,000 items",
        "stream",
        Kind.STREAM,
        amount=10_000,
        shown=("items_per_s", "first_ms"),
    ),
    Workload(
        "json-large",
        "50 MB of JSON, one client; health meanwhile",
        "raw",
        Kind.HEALTH,
        amount=50 * MB,
        pinned=False,
        shown=("requests_per_s", "health_p50_ms", "health_p99_ms", "health_worst_ms"),
    ),
    _trainings("train-submit", "Submit a training", "p50_ms", "p99_ms"),
    _trainings("train-list-10", "List 10 trainings", "p50_ms", "page_ms", amount=10),
    _trainings("train-list-1000", "List 1,000 trainings", "p50_ms", "page_ms", amount=1000),
    _trainings("train-list-100000", "List of 100,000", "p50_ms", "page_ms", amount=100_000),
    _trainings("train-cancel", "Cancel a training", "cancel_ms", "freed_s"),
    _trainings("train-resume", "All is killed: to the resumed training", "resume_s"),
    _trainings("train-beside", "No-op beside a training", "p99_ms", "times_p50", "times_p99"),
    _trainings("train-followers", "20 followers of a log", "health_worst_ms", "lines_per_s"),
)


@cache
def array() -> tuple[list[list[float]], ...]:
    """Make the array of one megabyte as JSON text: rows of a hundred numbers."""
    numbers = random.Random(1)  # noqa: S311 - the same ones every time
    row_bytes = 0
    rows: list[list[float]] = []
    while row_bytes < MB:
        rows.append([round(numbers.uniform(0, 1000), 6) for _ in range(_COLUMNS)])
        row_bytes += len(repr(rows[-1]).replace(" ", ""))
    return (rows,)


def arguments_of(model: str, amount: int = 0) -> dict[str, Any]:
    """Return what a call of a model is given; the model ``file`` gets an upload instead."""
    match model:
        case "noop" | "train":
            return {"number": 7, "text": "seven"}
        case "raw" | "floats":
            return {"data": array()[0] * max(1, amount // MB)}
        case "stream":
            return {"count": amount}
    return {"number": 7}


def expected_of(model: str, amount: int = 0) -> Mapping[str, Any]:
    """Return what the answer to that call holds somewhere."""
    match model:
        case "noop" | "train":
            return {"number": 7, "text": "seven"}
        case "raw" | "floats":
            rows = array()[0] * max(1, amount // MB)
            return {"rows": len(rows), "last": rows[-1][-1]}
        case "file":
            return {"bytes": amount}
        case "stream":
            return {"index": amount - 1}
    return {"number": 7}


def holds(answer: Any, expected: Mapping[str, Any]) -> bool:
    """Whether a decoded answer is, or holds at any depth, an object with these members."""
    if isinstance(answer, dict):
        if expected.items() <= answer.items():
            return True
        return any(holds(value, expected) for value in answer.values())
    return isinstance(answer, list) and any(holds(value, expected) for value in answer)


def select(only: str) -> list[Workload]:
    """Choose workloads by comma-separated names, or what names begin with; all if empty.

    Raises:
        ValueError: A name fits none.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if not any(workload.name.startswith(name) for workload in WORKLOADS):
            known = ", ".join(workload.name for workload in WORKLOADS)
            raise ValueError(f"There is no workload {name!r}; there are {known}.")
    return [
        workload
        for workload in WORKLOADS
        if not names or any(_fits(workload.name, name) for name in names)
    ]


def _fits(workload: str, name: str) -> bool:
    # An exact name is itself alone: noop-1 is not noop-16.
    exact = any(each.name == name for each in WORKLOADS)
    return workload == name if exact else workload.startswith(name)
