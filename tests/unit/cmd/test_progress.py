# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Progress at the command line."""

import io
import os
from pathlib import Path

import pytest

from deepaas.cmd.progress import TerminalSink, describe
from deepaas.execution.training import Cancelled


@pytest.mark.parametrize(
    ("done", "total", "line"),
    [
        (1, None, "1"),
        (0, 0, "0"),
        (1, 4, "1/4 25%"),
        (5, 4, "5/4 100%"),
        (-1, 4, "-1/4 0%"),
        (0.5, 2.5, "0.5/2.5 20%"),
    ],
)
def test_a_report_is_one_line(done: float, total: float | None, line: str) -> None:
    assert describe(done, total, {}, with_bar=False) == line


def test_numbers_are_short_and_odd_ones_are_shown() -> None:
    metrics = {"loss": 1 / 3, "bad": float("nan"), "n": 12345678, "word": "w"}
    line = describe(1, 2, metrics, with_bar=False)  # type: ignore[arg-type] # as models do
    assert line == "1/2 50% loss=0.3333 bad=nan n=12345678 word=w"


def test_the_last_report_is_always_shown() -> None:
    stream = io.StringIO()
    sink = TerminalSink(stream, None)
    for done in range(1, 101):
        sink.progress(done, 100, {})
    sink.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1/100 1%"
    assert lines[-1] == "100/100 100%"
    assert "\x1b" not in stream.getvalue()


def test_a_bar_is_a_line_and_the_last_one_is_followed_by_an_empty_line() -> None:
    stream = io.StringIO()
    sink = TerminalSink(stream, None, with_bar=True)
    sink.progress(1, 2, {"loss": 0.5})
    sink.progress(2, 2, {"loss": 0.25})
    sink.close()
    assert stream.getvalue() == (
        "[###############...............] 1/2 50% loss=0.5\n"
        "[##############################] 2/2 100% loss=0.25\n\n"
    )


@pytest.mark.parametrize(("with_bar", "written"), [(True, "\n"), (False, "")])
def test_without_a_report_nothing_is_shown(with_bar: bool, written: str) -> None:
    stream = io.StringIO()
    TerminalSink(stream, None, with_bar=with_bar).close()
    assert stream.getvalue() == written


def test_a_training_goes_on_where_nobody_reads_its_progress() -> None:
    stream = io.StringIO()
    stream.close()
    sink = TerminalSink(stream, None)
    sink.progress(1, None, {})
    sink.close()


def test_a_fork_is_not_stopped_by_what_its_parent_was_doing() -> None:
    stream = io.StringIO()
    sink = TerminalSink(stream, None)
    sink.progress(1, None, {})
    sink.progress(2, None, {})  # waits, and is the parent's to write
    with sink._lock, sink._reports._lock:
        if os.fork() == 0:
            sink.leave_fork()
            sink.progress(3, None, {})
            os._exit(stream.getvalue() != "1\n3\n")
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0


def test_folders_are_made_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = TerminalSink(io.StringIO(), None)
    assert (list(tmp_path.iterdir()), sink.artifacts) == ([], None)
    folder = sink.artifact_dir()
    assert folder.parent == tmp_path
    assert folder.name.startswith("artifacts-")
    assert sink.artifact_dir() == sink.artifacts == folder
    assert sink.checkpoint_dir() == folder / "checkpoints"
    assert (folder / "checkpoints").is_dir()
    assert TerminalSink(io.StringIO(), None).artifact_dir() != folder


def test_a_named_folder_is_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        sink = TerminalSink(io.StringIO(), tmp_path / "a" / "b")
        assert sink.artifact_dir() == tmp_path / "a" / "b"
        assert sink.artifact_dir().is_dir()


def test_a_model_that_asks_is_told_and_another_is_interrupted() -> None:
    sink = TerminalSink(io.StringIO(), None)
    with pytest.raises(Cancelled):
        sink.on_sigterm(15, None)
    sink = TerminalSink(io.StringIO(), None)
    before = sink.is_cancelled()
    sink.on_sigterm(15, None)
    assert (before, sink.is_cancelled()) == (False, True)
