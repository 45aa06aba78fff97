# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The job's side of its process: run ``train()`` or ``evaluate()``, report, say how it ended.

Standard output and error are the job's log file itself, so nothing that is printed is lost with
the server.
"""

import atexit
import logging
import os
import signal
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path

from deepaas import telemetry
from deepaas.execution import jobevents
from deepaas.execution.artifacts import seal
from deepaas.execution.basis import basis_of, require_whole
from deepaas.execution.children import JOB_VARIABLE
from deepaas.execution.failures import chosen_status
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import End, JobDirectory, until_there_is_space
from deepaas.execution.metrics import numbers_in
from deepaas.execution.out_of_memory import shortage
from deepaas.execution.pacing import Pace
from deepaas.execution.provenance import Provenance
from deepaas.model import bars, context
from deepaas.model.adapter import load_model
from deepaas.model.encoding import json_or_repr
from deepaas.records import LogSettings
from deepaas.telemetry import configure_model_logging

logger = logging.getLogger(__name__)

_EVALUATE = "evaluate"
#: Progress is written at most this often; the last report is always written.
_REPORT_S = 0.1


class Cancelled(SystemExit):
    """Raised in the function when the job is cancelled and the model does not ask for itself."""


class CancelSwitch:
    """Tells a training that it was cancelled: when it asks, or by an exception if it never does."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._model_asks = False

    def is_cancelled(self) -> bool:
        """Whether the training should end; a model that asks is not interrupted."""
        self._model_asks = True
        return self._cancelled.is_set()

    def on_sigterm(self, number: int, frame: object) -> None:
        """Handle the signal that announces the end of the grace."""
        self._cancelled.set()
        if not self._model_asks:
            raise Cancelled(128 + number)

    def leave_fork(self) -> None:
        """In a fork of the model's, let SIGTERM end it as it would any other process."""
        if signal.getsignal(signal.SIGTERM) == self.on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class JobSink(CancelSwitch):
    """Puts what a training reports into its job's directory; safe across threads."""

    def __init__(self, directory: JobDirectory, attempt: int) -> None:
        super().__init__()
        self._directory = directory
        self._attempt = attempt
        self._file: int | None = jobevents.open_events(directory.events)
        self._reports = Pace(self._write, _REPORT_S)
        #: The last ones that were reported.
        self.metrics: Mapping[str, float] = {}
        #: How far the job was then; what reports nothing is one step.
        self._done: tuple[float, float | None] = (1, 1)
        self._has_result = False

    def progress(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        """Note how far the job is."""
        if not self._has_result:
            self._note(done, total, metrics)

    def conclude(self, metrics: Mapping[str, float]) -> None:
        """Add what the function has found out to its last report; no other comes behind it."""
        self._has_result = True
        if metrics:
            self._note(*self._done, {**self.metrics, **metrics})

    def _note(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        event = {
            "time": jobevents.now(),
            "event": "progress",
            "attempt": self._attempt,
            "done": done,
            "total": total,
            "metrics": dict(metrics),
        }
        self.metrics, self._done = metrics, (done, total)
        self._reports.put(json_or_repr(event))

    def _write(self, line: bytes) -> None:
        if self._file is not None:
            try:
                jobevents.append_line(self._file, line)
            except OSError as exc:
                logger.warning("A report of progress could not be written: %s.", exc.strerror)

    def artifact_dir(self) -> Path:
        """Return the folder whose files are kept with the job."""
        return self._directory.artifacts

    def checkpoint_dir(self) -> Path:
        """Return the folder for what a later attempt needs to go on."""
        return self._directory.checkpoints

    def leave_fork(self) -> None:
        """Leave to its parent what is the parent's."""
        super().leave_fork()
        self._reports.leave_fork()

    def close(self) -> None:
        """Write the last report."""
        self._reports.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def run_job(kind: str, path: Path, attempt: int = 1) -> int:
    """Run an attempt of a job's function and write its outcome; return the exit status.

    Whatever ends it is in the log and in ``outcome.json``; a cancelled job writes no outcome, since
    its end stands already.

    Args:
        kind: Of the job: the name of the model's function.
        path: The job's directory.
        attempt: Which one it is.
    """
    pid = os.getpid()
    directory = JobDirectory(path)
    sink = JobSink(directory, attempt)
    signal.signal(signal.SIGTERM, sink.on_sigterm)
    os.register_at_fork(after_in_child=sink.leave_fork)
    context.install(sink)
    os.environ[JOB_VARIABLE] = f"{attempt} {path.absolute()}"
    bars.watch(into_log=True, with_drawn=True)
    provenance = Provenance(directory)
    try:
        result = _run(kind, directory, provenance)
        if kind == _EVALUATE and os.getpid() == pid:
            sink.conclude(numbers_in(result))
        end = End.now("done", result=result)
    except Cancelled:
        sink.close()
        provenance.end(sink.metrics)
        return 128 + signal.SIGTERM
    except BaseException as exc:
        if os.getpid() != pid:
            sink.close()
            raise
        _print_traceback()
        end = End.now("error", message=_text_of(exc, kind))
    # What has ended is not stopped any more, until it has said so.
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sink.close()
    if os.getpid() != pid:
        return 0  # a fork of the model's that came back; the outcome is not its own
    until_there_is_space(lambda: directory.write_outcome(end))
    signal.signal(signal.SIGTERM, handler or signal.SIG_DFL)
    is_done = end.state == "done"
    _finish_records(directory, provenance, sink, with_artifacts=is_done)
    return 0 if is_done else 1


def join_job() -> None:
    """Let this process, started by that of a job, report and find folders as its parent does."""
    attempt, _, path = os.environ[JOB_VARIABLE].partition(" ")
    directory = JobDirectory(Path(path))
    sink = JobSink(directory, int(attempt))
    os.register_at_fork(after_in_child=sink.leave_fork)
    atexit.register(sink.close)
    configure_model_logging(LogSettings())
    context.install(sink)
    _install_model_dir(directory)
    telemetry.job.set(directory.path.name)


def _install_model_dir(directory: JobDirectory) -> None:
    folder = basis_of(directory).model_dir
    context.install_model_dir(None if folder is None else Path(folder))


def _finish_records(
    directory: JobDirectory, provenance: Provenance, sink: JobSink, *, with_artifacts: bool
) -> None:
    """Note what a function that has ended has made; what is left out changes nothing of its end."""
    try:
        provenance.end(sink.metrics)
        if with_artifacts:
            seal(directory)
    except Cancelled:
        pass  # the files are sealed when somebody asks for them, as below
    except Exception as exc:  # noqa: BLE001 - the author's files
        logger.warning("The artifacts are not sealed yet: %s: %s", type(exc).__name__, exc)


def _run(kind: str, directory: JobDirectory, provenance: Provenance) -> str:
    call = JobCall.read(directory)
    provenance.begin(call.source)
    telemetry.request_id.set(call.request_id)
    telemetry.principal.set(call.principal)
    telemetry.model.set(call.source.name)
    telemetry.job.set(directory.path.name)
    if kind == _EVALUATE:
        require_whole(basis_of(directory))
    _install_model_dir(directory)
    adapter = load_model(call.source)
    if call.warm:
        adapter.warm()
    parser = adapter.parsers[kind]
    arguments = parser.parse(call.input)
    provenance.called(parser.arguments, arguments)
    return json_or_repr(adapter.run(kind, **arguments)).decode()


def _print_traceback() -> None:
    try:
        traceback.print_exc()
    except (OSError, ValueError):
        pass  # the disk is full, or the model closed its standard error


def _text_of(exc: BaseException, kind: str) -> str:
    name = type(exc).__name__
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - the author's __str__
        text = ""
    if lacking := shortage(exc):
        return f"{lacking}: {text or name}"
    _, text = chosen_status(exc, text)
    if not isinstance(exc, Exception):
        return f"{kind}() raised {name}: {text}" if text else f"{kind}() raised {name}."
    return text or name
