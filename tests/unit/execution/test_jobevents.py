# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Events come in whole lines, states once, whoever writes at the same time."""

import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.jobevents import append_line, open_events, state_event
from tests.unit.parts import open_fds


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path)


def events(directory: JobDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in directory.events.read_bytes().splitlines() if line]


def report(directory: JobDirectory, event: dict[str, Any]) -> None:
    """Append an event, as a training does."""
    fd = open_events(directory.events)
    try:
        append_line(fd, json.dumps(event).encode())
    finally:
        os.close(fd)


def test_a_state_is_a_line(directory: JobDirectory) -> None:
    directory.note_state("error", 2, "boom", time="2026-11-22T12:00:00.000001+00:00")
    assert directory.events.read_text() == (
        '{"time": "2026-11-22T12:00:00.000001+00:00", "event": "state", "state": "error",'
        ' "attempt": 2, "message": "boom"}\n'
    )


def test_a_state_of_an_attempt_is_told_once(directory: JobDirectory) -> None:
    before = open_fds()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: directory.note_state("done", 1), range(100)))
    directory.note_state("done", 2)
    report(directory, {"event": "progress", "attempt": 2, "done": 1})
    directory.note_state("done", 2)
    directory.note_state("queued", 2)
    assert [(e.get("state"), e["attempt"]) for e in events(directory)] == [
        ("done", 1),
        ("done", 2),
        (None, 2),
        ("queued", 2),
    ]
    assert open_fds() == before


def test_a_long_message_is_cut() -> None:
    assert len(state_event("error", 1, "x" * 1_000_000)["message"]) == 4000


def test_half_a_line_spoils_no_other(directory: JobDirectory) -> None:
    directory.events.write_text('{"event": "progress", "do')
    report(directory, {"event": "progress", "attempt": 1, "done": 1})
    directory.note_state("done", 1)
    lines = directory.events.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[1])["done"] == 1
    assert json.loads(lines[2])["state"] == "done"


def test_on_a_full_disk_a_state_is_left_out(directory: JobDirectory) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        directory.note_state("done", 1)
        with pytest.raises(OSError, match="large"):
            report(directory, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert directory.events.read_bytes() == b""
    JobDirectory(directory.path / "gone").note_state("done", 1)
