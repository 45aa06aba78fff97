# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is shown of a job, on a terminal and elsewhere."""

import os
import pty
import select
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from deepaas.cmd.jobs import views
from deepaas.cmd.jobs.views import JsonView, LineView, TerminalView, progress_line, table


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ({"done": 1}, "1"),
        ({"done": 1, "total": 4, "metrics": {"a\x1b": 0.5}}, "1/4 25% a =0.5"),
        ({"done": 1, "total": "many", "metrics": [1]}, "1"),
        ({"done": True}, None),
        ({"done": 10**400}, None),
        ({"done": float("nan")}, None),
        ({"done": float("inf")}, None),
        ({"done": 1, "metrics": {"a": "x", "b": 2}}, "1 b=2"),
        ({}, None),
        (None, None),
        ("done", None),
    ],
)
def test_progress_is_what_is_a_number(report: object, line: str | None) -> None:
    assert progress_line(report, with_bar=False) == line


def test_a_table_shows_whatever_comes() -> None:
    odd: list[dict[str, Any]] = [
        {"id": "x\ny", "kind": 5, "state": None, "created": "soon", "progress": []}
    ]
    assert table(odd).splitlines()[1] == "x y  5     None   soon"


def test_progress_comes_now_and_then_and_the_last_one_always(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = LineView()
    for done in range(1, 6):
        view.event({"done": done})
    view.event({"state": "queued", "attempt": 2, "message": "again\n"})
    view.event({"neither": 1})
    view.event({"done": 6})
    view.close()
    view.close()
    assert capsys.readouterr().err.splitlines() == ["1", "5", "queued (attempt 2): again ", "6"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give a terminal of 40 columns for standard output, and return its other end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    monkeypatch.setattr(views, "_STDOUT_FD", theirs)
    yield ours
    os.close(ours)
    os.close(theirs)


def test_on_a_terminal_the_bar_stays_below_the_log(terminal: int) -> None:
    view = TerminalView()
    view.event({"state": "running", "attempt": 1})
    view.event({"done": 1, "total": 2})
    view.log("li\x1b\x07\x9b\x08ne\n")
    view.event({"neither": 1})
    view.close()
    shown = b""
    while select.select([terminal], [], [], 0.5)[0]:
        shown += os.read(terminal, 4096)
    bar = "[###############...............] 1/2 50%"[:39]
    erase = "\r\x1b[K"
    assert shown.decode() == f"running\r\n{bar}{erase}line\r\n{bar}\r\n"


def test_what_is_no_terminal_is_taken_to_have_80_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "_STDOUT_FD", -1)
    assert views._columns() == 80


def test_as_json_what_is_none_of_the_job_s_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = JsonView()
    view.event({"text": "\ud800ü\x1b"})
    view.note("Trying again")
    view.close()
    assert capsys.readouterr() == ('{"text": "\\ud800\\u00fc\\u001b"}\n', "Trying again\n")
