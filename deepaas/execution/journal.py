# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read what a job's ``events.jsonl`` tells, while others write it.

A line is an event; its ``event`` is ``state`` or ``progress``. A reader's position is the offset
behind the last line that it has read. A line that is no JSON object is passed over: a full disk
leaves halves. Everything here blocks.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

#: What is read at once, and how long a line may be.
_BLOCK_BYTES: Final = 64 * 1024
_LONGEST_LINE_BYTES: Final = 1024 * 1024
#: How far back the last event is looked for.
_TAIL_BYTES: Final = 64 * 1024
#: Of a metric as many points are kept, up to twice as many while the file is read.
_POINTS: Final = 1000
#: A model that makes up names without end does not fill the memory.
_METRICS: Final = 256


class Entry(NamedTuple):
    """One event."""

    #: The offset behind its line, from which a reader goes on.
    end: int
    event: Mapping[str, Any]


def read_events(path: Path, offset: int) -> tuple[list[Entry], int]:
    """Return the next events behind an offset, not all at once, and the offset behind them.

    The offset stays where no whole line is behind it. One within a line counts as behind it.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_BLOCK_BYTES)
            if b"\n" not in data:
                data += file.readline(_LONGEST_LINE_BYTES)
    except FileNotFoundError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) > _LONGEST_LINE_BYTES:
        return [], offset + len(data)
    return list(_entries(data[:whole], offset)), offset + whole


def last_events(path: Path) -> list[Entry]:
    """Return the events at the end of the file, as many as some 64 KiB hold."""
    return list(_entries(*_tail(path)))


def last_progress(path: Path, attempt: int | None = None) -> Mapping[str, Any] | None:
    """Return what the job last reported: ``time``, ``done``, ``total`` and ``metrics``.

    Args:
        path: The file.
        attempt: Only what this attempt reported; ``None``: any.
    """
    # From the end on: the last report is among the last lines, and a list asks this of each job.
    for line in reversed(_tail(path)[0].splitlines()):
        event = _parsed(line)
        if event is None or event["event"] != "progress":
            continue
        if attempt in (None, _attempt_of(event)):
            return {name: event[name] for name in _PROGRESS if name in event}
    return None


def _tail(path: Path) -> tuple[bytes, int]:
    """Return the whole lines at the end of the file, behind half a line perhaps, and where."""
    try:
        # Not by a file object: a page of a list asks for the tails of a hundred jobs.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", 0
    try:
        start = max(0, os.fstat(fd).st_size - _TAIL_BYTES)
        data = os.pread(fd, _TAIL_BYTES, start)
    finally:
        os.close(fd)
    return data[: data.rfind(b"\n") + 1], start


def _attempt_of(event: Mapping[str, Any]) -> Any:
    """Return the attempt of an event; earlier versions, which made only one, did not name it."""
    return event.get("attempt", 1)


_PROGRESS = ("time", "done", "total", "metrics")


def metric_series(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every metric that was ever reported, by name, as points in order.

    Of a long series some 1,000 to 2,000 points are left, at even distances, and the last one.
    """
    series: dict[str, _Series] = {}
    offset = 0
    while True:
        entries, behind = read_events(path, offset)
        if behind == offset:
            return {name: found.points() for name, found in series.items()}
        for entry in entries:
            _add_metrics(series, entry.event)
        offset = behind


def _add_metrics(series: "dict[str, _Series]", event: Mapping[str, Any]) -> None:
    metrics = event.get("metrics")
    if not isinstance(metrics, Mapping):
        return
    for name, value in metrics.items():
        if name not in series and len(series) >= _METRICS:
            continue
        point = {
            "attempt": _attempt_of(event),
            "done": event.get("done"),
            "time": event.get("time"),
            "value": value,
        }
        series.setdefault(name, _Series()).add(point)


class _Series:
    """Points of which every n-th is kept, with n doubled whenever there are too many."""

    def __init__(self) -> None:
        self._kept: list[dict[str, Any]] = []
        self._every = 1
        self._count = 0
        self._last: dict[str, Any] = {}

    def add(self, point: dict[str, Any]) -> None:
        if self._count % self._every == 0:
            self._kept.append(point)
        self._count += 1
        self._last = point
        if len(self._kept) > 2 * _POINTS:
            del self._kept[1::2]
            self._every *= 2

    def points(self) -> list[dict[str, Any]]:
        return self._kept if self._kept[-1] is self._last else [*self._kept, self._last]


def _entries(data: bytes, offset: int) -> Iterator[Entry]:
    for line in data.splitlines(keepends=True):
        offset += len(line)
        event = _parsed(line)
        if event is not None:
            yield Entry(offset, event)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the event of a line, ``None`` if it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return {"event": "progress", **event} if isinstance(event, dict) else None
