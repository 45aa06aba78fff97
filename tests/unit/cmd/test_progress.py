# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Progress at the command line."""

import io
from pathlib import Path

import pytest

from deepaas.cmd.progress import TerminalSink, describe
from deepaas.execution.training import Cancelled


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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


def test_a_terminal_shows_a_bar_on_one_line() -> None:
    stream = Terminal()
    sink = TerminalSink(stream, None)
    sink.progress(1, 2, {"loss": 0.5})
    sink.progress(2, 2, {"loss": 0.25})
    sink.close()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "[###############...............] 1/2 50% loss=0.5" in text
    assert text.endswith("[##############################] 2/2 100% loss=0.25\n")


def test_without_a_report_nothing_is_written() -> None:
    stream = Terminal()
    TerminalSink(stream, None).close()
    assert stream.getvalue() == ""


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
