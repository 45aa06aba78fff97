# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a training at the command line reports: a bar on a terminal, plain lines elsewhere."""

import os
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

from deepaas.execution.pacing import Pace
from deepaas.execution.training import CancelSwitch

_BAR_CELLS = 30
#: Reports come no more often than this; the last one always comes.
_REDRAW_S = 0.1
_LINE_S = 1.0


class TerminalSink(CancelSwitch):
    """A :class:`deepaas.model.context.Sink` for people; safe across threads.

    Args:
        stream: Where reports go, one a line.
        artifacts: The folder for artifacts; ``None``: a new one in the current folder, made when
            it is asked for.
        with_bar: Whether reports draw a bar. Each replaces the one before, so they may come more
            often; an empty line stands behind the last one (:mod:`deepaas.cmd.screen`).
    """

    def __init__(self, stream: TextIO, artifacts: Path | None, *, with_bar: bool = False) -> None:
        super().__init__()
        self._stream = stream
        self._with_bar = with_bar
        self._artifacts = artifacts
        self._lock = threading.Lock()
        self._reports = Pace(self._write, _REDRAW_S if with_bar else _LINE_S)

    def progress(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        """Show how far the training is."""
        self._reports.put(describe(done, total, metrics, with_bar=self._with_bar))

    def _write(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it, or the model closed it; the training goes on

    def artifact_dir(self) -> Path:
        """Return the folder for artifacts; made on the first call."""
        with self._lock:
            if self._artifacts is None:
                self._artifacts = _new_folder()
            self._artifacts.mkdir(parents=True, exist_ok=True)
            return self._artifacts

    def checkpoint_dir(self) -> Path:
        """Return ``checkpoints`` in the folder for artifacts."""
        folder = self.artifact_dir() / "checkpoints"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def artifacts(self) -> Path | None:
        """The folder for artifacts if there is one."""
        return self._artifacts

    def close(self) -> None:
        """Show the last report."""
        self._reports.close()
        if self._with_bar:
            self._write("")

    def leave_fork(self) -> None:
        """Leave to its parent what is the parent's."""
        super().leave_fork()
        self._reports.leave_fork()
        self._lock = threading.Lock()


def describe(
    done: float, total: float | None, metrics: Mapping[str, float], *, with_bar: bool
) -> str:
    """Return a report as one line."""
    parts = [f"{done:g}/{total:g}" if total else f"{done:g}"]
    if total:
        share = min(1.0, max(0.0, done / total))
        parts.append(f"{share:.0%}")
        if with_bar:
            full = round(share * _BAR_CELLS)
            parts.insert(0, f"[{'#' * full}{'.' * (_BAR_CELLS - full)}]")
    parts += [f"{name}={_number(value)}" for name, value in metrics.items()]
    return " ".join(parts)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _new_folder() -> Path:
    name = f"artifacts-{datetime.now():%Y%m%d-%H%M%S}"
    path = Path(name).absolute()
    return path if not path.exists() else path.with_name(f"{name}-{os.getpid()}")
