# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The training's side of its process: run ``train()``, report progress, say how it ended.

Standard output and error are the job's log file itself, so nothing that is printed is lost with
the server.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.model import context
from deepaas.model.adapter import load_model
from deepaas.model.encoding import json_or_repr

#: Progress is written at most this often; the last report is always written.
_REPORT_S = 0.1


class Cancelled(SystemExit):
    """Raised in ``train()`` when the job is cancelled and the model does not ask for itself."""


class JobSink:
    """Puts what a training reports into its job's directory; safe across threads."""

    def __init__(self, directory: JobDirectory) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._file: int | None = os.open(
            directory.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._waiting: bytes | None = None
        self._written_s = 0.0
        self._cancelled = threading.Event()
        self._model_asks = False

    def progress(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        """Note how far the training is."""
        event = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "done": done,
            "total": total,
            "metrics": dict(metrics),
        }
        line = json.dumps(event, default=str).encode() + b"\n"
        with self._lock:
            if self._file is None:
                return  # a thread that outlives train()
            self._waiting = line
            if time.monotonic() - self._written_s >= _REPORT_S:
                self._write()

    def _write(self) -> None:
        if self._waiting is not None and self._file is not None:
            os.write(self._file, self._waiting)
            self._waiting = None
            self._written_s = time.monotonic()

    def artifact_dir(self) -> Path:
        """Return the folder whose files are kept with the job."""
        return self._directory.artifacts

    def checkpoint_dir(self) -> Path:
        """Return the folder for what a later attempt needs to go on."""
        return self._directory.checkpoints

    def is_cancelled(self) -> bool:
        """Whether the training should end; a model that asks is not interrupted."""
        self._model_asks = True
        return self._cancelled.is_set()

    def on_sigterm(self, number: int, frame: object) -> None:
        """Handle the signal that announces the end of the grace."""
        self._cancelled.set()
        if not self._model_asks:
            raise Cancelled(128 + number)

    def close(self) -> None:
        """Write the last report."""
        with self._lock:
            self._write()
            if self._file is not None:
                os.close(self._file)
                self._file = None


def run_training(path: Path) -> int:
    """Run the training of a job's directory and write its outcome; return the exit status.

    Whatever ends it is in the log and in ``outcome.json``; a cancelled training writes no outcome,
    since its end stands already.
    """
    directory = JobDirectory(path)
    sink = JobSink(directory)
    signal.signal(signal.SIGTERM, sink.on_sigterm)
    context.install(sink)
    try:
        end = End.now("done", result=_train(directory))
    except Cancelled:
        return 128 + signal.SIGTERM
    except BaseException as exc:  # noqa: BLE001 - the border of the author's code
        traceback.print_exc()
        end = End.now("error", message=_text_of(exc))
    finally:
        sink.close()
    sys.stdout.flush()
    sys.stderr.flush()
    directory.write_outcome(end)
    return 0 if end.state == "done" else 1


def _train(directory: JobDirectory) -> str:
    call = JobCall.read(directory)
    adapter = load_model(call.source)
    if call.warm:
        adapter.warm()
    arguments = adapter.train_parser.parse(call.input)
    return json_or_repr(adapter.train(**arguments)).decode()


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc) or type(exc).__name__
    except Exception:  # noqa: BLE001 - the author's __str__
        return type(exc).__name__
