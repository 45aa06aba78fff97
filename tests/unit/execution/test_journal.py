# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Events are read while they are written, from any place, whatever a full disk left of them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.journal import (
    Entry,
    last_events,
    last_progress,
    metric_series,
    read_events,
)


def line(done: int, event: str | None = "progress", **more: Any) -> bytes:
    """Return a line as it is written; without a kind, as earlier versions wrote it."""
    kind = {} if event is None else {"event": event}
    return json.dumps({"time": f"t{done}", **kind, "done": done, **more}).encode() + b"\n"


def written(tmp_path: Path, *parts: bytes) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(parts))
    return path


def read_all(path: Path, offset: int = 0) -> list[Entry]:
    found: list[Entry] = []
    while True:
        entries, behind = read_events(path, offset)
        if behind == offset:
            return found
        found += entries
        offset = behind


def test_a_file_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert read_events(path, 7) == ([], 7)
    assert last_events(path) == []
    assert last_progress(path) is None
    assert metric_series(path) == {}


def test_a_reader_goes_on_behind_any_event(tmp_path: Path) -> None:
    """However much there is: each is told once, in order, with the place behind it."""
    path = written(tmp_path, *(line(n) for n in range(5000)))
    everything = read_all(path)
    assert [entry.event["done"] for entry in everything] == list(range(5000))
    assert everything[-1].end == path.stat().st_size
    for number in (0, 1, 2499, 4999):
        assert read_all(path, everything[number].end) == everything[number + 1 :]


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = written(tmp_path, line(1), line(2)[:9])
    entries, behind = read_events(path, 0)
    assert [entry.event["done"] for entry in entries] == [1]
    assert read_events(path, behind) == ([], behind)
    path.write_bytes(line(1) + line(2))
    assert [entry.event["done"] for entry in read_all(path, behind)] == [2]


@pytest.mark.parametrize("broken", [b'{"done": 7', b"[1]", b"7", b"\xff\xfe", b"", b"NaN nonsense"])
def test_what_is_no_event_is_passed_over(tmp_path: Path, broken: bytes) -> None:
    path = written(tmp_path, line(1), broken + b"\n", line(2))
    assert [entry.event["done"] for entry in read_all(path)] == [1, 2]


def test_a_reader_within_a_line_begins_behind_it(tmp_path: Path) -> None:
    path = written(tmp_path, line(1), line(2))
    assert [entry.event["done"] for entry in read_all(path, 3)] == [2]


def test_long_lines(tmp_path: Path) -> None:
    """One of many metrics is read; one that has no end is passed over."""
    long = line(1, note="x" * 300_000)
    path = written(tmp_path, long, line(2))
    assert [entry.event["done"] for entry in read_all(path)] == [1, 2]
    path = written(tmp_path, b"x" * 3_000_000)
    assert read_all(path) == []
    assert read_events(path, 0)[1] > 1_000_000


def test_an_event_without_a_kind_is_progress(tmp_path: Path) -> None:
    path = written(tmp_path, line(1, None))
    assert read_all(path)[0].event["event"] == "progress"


def test_the_last_progress_is_found_behind_states(tmp_path: Path) -> None:
    more: dict[str, Any] = {"total": 9, "metrics": {"loss": 1}, "attempt": 1}
    state: dict[str, Any] = {"state": "done", "attempt": 1}
    path = written(tmp_path, line(1), line(2, **more), line(3, "state", **state))
    assert last_progress(path) == {"time": "t2", "done": 2, "total": 9, "metrics": {"loss": 1}}
    assert [entry.event["done"] for entry in last_events(path)] == [1, 2, 3]
    assert last_progress(written(tmp_path, line(3, "state", **state))) is None


def test_metrics_become_series(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        line(1, metrics={"loss": 0.5}),
        line(2, "state", state="running"),
        line(3, metrics={"loss": None, "accuracy": 1}, attempt=2),
        line(4, metrics=[1]),
    )
    assert metric_series(path) == {
        "loss": [
            {"attempt": 1, "done": 1, "time": "t1", "value": 0.5},
            {"attempt": 2, "done": 3, "time": "t3", "value": None},
        ],
        "accuracy": [{"attempt": 2, "done": 3, "time": "t3", "value": 1}],
    }


@pytest.mark.parametrize("count", [2000, 2001, 5000, 40_000])
def test_a_long_series_keeps_its_ends_and_even_distances(tmp_path: Path, count: int) -> None:
    path = written(tmp_path, *(line(n, metrics={"loss": n}) for n in range(count)))
    values = [point["value"] for point in metric_series(path)["loss"]]
    assert (values[0], values[-1]) == (0, count - 1)
    assert 1000 <= len(values) <= 2001
    assert len({b - a for a, b in pairwise(values[:-1])}) == 1


def test_names_without_end_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = (line(n, metrics={f"m{n}": n, "m0": n}) for n in range(1000))
    series = metric_series(written(tmp_path, *lines))
    assert len(series) == 256
    assert len(series["m0"]) == 1000


def test_the_last_progress_is_found_behind_states_and_halves(tmp_path: Path) -> None:
    lines = [json.dumps({"event": "progress", "attempt": 1, "done": done}) for done in range(3)]
    lines.append(json.dumps({"event": "state", "state": "error", "message": "x" * 10_000}))
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([*lines, "[1]", '{"event": "progress", "done": 9']))
    assert last_progress(path) == {"done": 2}


def test_the_progress_of_one_attempt(tmp_path: Path) -> None:
    path = written(tmp_path, line(1, None), line(5, attempt=1), line(2, attempt=2))
    assert [(last_progress(path, n) or {}).get("done") for n in (1, 2, 3)] == [5, 2, None]
    assert last_progress(written(tmp_path, line(1, None)), 1) == {"time": "t1", "done": 1}


def test_the_last_progress_is_looked_for_from_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list asks it of a thousand jobs: what stands before it is not even parsed."""
    path = written(tmp_path, *(line(n) for n in range(500)), line(0, "state"))
    parsed = []
    loads = json.loads

    def counting(text: bytes) -> Any:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr("deepaas.execution.journal.json.loads", counting)
    found = last_progress(path)
    assert found is not None
    assert found["done"] == 499
    assert len(parsed) == 2
