# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Show jobs: as a table, as lines, and, while one is followed, its log and its progress."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeGuard, cast

from deepaas.cmd.jobs.harmless import shown, without_controls
from deepaas.cmd.jobs.output import LogOutput, tell
from deepaas.cmd.progress import describe
from deepaas.cmd.screen import Screen
from deepaas.execution.messages import write_all

_STDOUT_FD: Final = 1
_STDERR_FD: Final = 2
_COLUMNS: Final = 80
_LARGEST: Final = 1e300
#: Lines of progress come no more often than this where there is no bar.
_LINE_S: Final = 1.0
_HEADINGS: Final = ("ID", "KIND", "STATE", "CREATED", "PROGRESS")
_LINES: Final = ("id", "kind", "model", "state", "created", "started", "finished", "attempt")


class FollowView(Protocol):
    """Shows a job that is followed."""

    def log(self, text: str) -> None:
        """Show what the job printed."""
        ...

    def event(self, event: Mapping[str, Any]) -> None:
        """Show an event of the job."""
        ...

    def note(self, text: str) -> None:
        """Tell something that is none of the job's."""
        ...

    def close(self) -> None:
        """Show what is left."""
        ...


class TerminalView:
    """The log, and below it a bar."""

    def __init__(self) -> None:
        self._screen = Screen(lambda data: write_all(_STDOUT_FD, data), _columns)

    def log(self, text: str) -> None:
        """Show what the job printed."""
        self._screen.output(without_controls(text).encode())

    def event(self, event: Mapping[str, Any]) -> None:
        """Draw the bar anew, or tell a state in a line."""
        if (line := progress_line(event, with_bar=True)) is not None:
            self._screen.bar(line)
        elif (line := _state_line(event)) is not None:
            self.note(line)

    def note(self, text: str) -> None:
        """Tell it in a line of the output."""
        self._screen.output(f"{text}\n".encode())

    def close(self) -> None:
        """Leave the bar where it is."""
        self._screen.close()


class LineView:
    """The log on standard output, everything else a line on standard error."""

    def __init__(self) -> None:
        self._output = LogOutput()
        self._next_s = 0.0
        self._held: str | None = None

    def log(self, text: str) -> None:
        """Show what the job printed."""
        self._output.write(text.encode())

    def event(self, event: Mapping[str, Any]) -> None:
        """Show a state, or now and then the progress."""
        line = progress_line(event, with_bar=False)
        if line is None:
            self.close()
            if (line := _state_line(event)) is not None:
                self.note(line)
        elif time.monotonic() < self._next_s:
            self._held = line
        else:
            self._progress(line)

    def _progress(self, line: str) -> None:
        self._held = None
        self._next_s = time.monotonic() + _LINE_S
        self.note(line)

    def note(self, text: str) -> None:
        """Tell it on standard error."""
        tell(text)

    def close(self) -> None:
        """Show the last progress."""
        if self._held is not None:
            self._progress(self._held)


class JsonView:
    """A JSON object a line."""

    def log(self, text: str) -> None:
        """Show what the job printed."""
        print_json({"event": "log", "text": text})

    def event(self, event: Mapping[str, Any]) -> None:
        """Show the event as it came."""
        print_json(event)

    def note(self, text: str) -> None:
        """Tell it on standard error."""
        tell(text)

    def close(self) -> None:
        """Nothing is held."""


def print_json(content: object) -> None:
    """Print JSON in one line."""
    print(json.dumps(content), flush=True)


def progress_line(report: object, *, with_bar: bool) -> str | None:
    """Return a report of progress as one line, ``None`` where it is none."""
    if not isinstance(report, dict) or not _is_number(done := report.get("done")):
        return None
    total, metrics = report.get("total"), report.get("metrics")
    numbers = metrics.items() if isinstance(metrics, dict) else ()
    return describe(
        done,
        total if _is_number(total) else None,
        {shown(name): value for name, value in numbers if _is_number(value)},
        with_bar=with_bar,
    )


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that every arithmetic can take."""
    return type(value) in (int, float) and abs(cast("float", value)) < _LARGEST


def _state_line(event: Mapping[str, Any]) -> str | None:
    state = event.get("state")
    if not isinstance(state, str):
        return None
    attempt, message = event.get("attempt"), event.get("message")
    line = shown(state)
    if isinstance(attempt, int) and attempt > 1:
        line += f" (attempt {attempt})"
    return f"{line}: {shown(message)}" if isinstance(message, str) else line


def table(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Return jobs as a table, the headings above."""
    rows = [_HEADINGS, *(_row(job) for job in jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(job: Mapping[str, Any]) -> tuple[str, ...]:
    texts = (job.get(name) for name in ("id", "kind", "state"))
    created = shown(str(job.get("created")))
    return (
        *(shown(str(text)) for text in texts),
        # Without the part of a second.
        created.partition(".")[0] + ("Z" if "." in created else ""),
        progress_line(job.get("progress"), with_bar=False) or "",
    )


def lines(job: Mapping[str, Any]) -> str:
    """Return a job as a line for each thing that is known of it."""
    known = [(name, shown(str(job[name]))) for name in _LINES if job.get(name) is not None]
    if (progress := progress_line(job.get("progress"), with_bar=False)) is not None:
        known.append(("progress", progress))
    if job.get("message") is not None:
        known.append(("message", shown(str(job["message"]))))
    known.append(("arguments", shown(json.dumps(job.get("arguments"), ensure_ascii=False))))
    return "\n".join(f"{name + ':':<11}{text}" for name, text in known)


def _columns() -> int:
    try:
        return os.get_terminal_size(_STDOUT_FD).columns or _COLUMNS
    except OSError:
        return _COLUMNS
