# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model may call while it runs: report progress, find its folders, learn of a cancel.

The process that runs the model installs a :class:`Sink`. Without one, in a notebook or a test of
the author's, the functions work and do as little as they can.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from deepaas import telemetry


class Sink(Protocol):
    """Where the calls of a running model go; called from any thread of the model."""

    def progress(
        self, done: float, total: float | None, metrics: Mapping[str, float]
    ) -> None:  # pragma: no cover
        """Record how far the work is; must not block and must not raise."""

    def artifact_dir(self) -> Path:  # pragma: no cover
        """Return the existing folder for what the work makes."""
        ...

    def checkpoint_dir(self) -> Path:  # pragma: no cover
        """Return the existing folder for what helps to resume."""
        ...

    def is_cancelled(self) -> bool:  # pragma: no cover
        """Tell whether the work should stop."""
        ...


# One for the process and not a context variable: a model's own threads do not inherit context
# variables, and a process runs one training or one prediction worker.
_sink: Sink | None = None
#: Whether the model has reported progress itself.
_is_told = False
#: The folder with what was trained, in a process that serves a version of the model.
_model_dir: Path | None = None
_scratch: dict[str, Path] = {}
_scratch_lock = threading.Lock()


def install(sink: Sink) -> None:
    """Send what the model reports to ``sink``, in place of the one installed before."""
    global _sink, _is_told
    _sink = sink
    _is_told = False


def uninstall() -> None:
    """Go back to doing nothing; harmless where nothing is installed."""
    global _sink
    _sink = None


def progress(done: float, total: float | None = None, **metrics: float) -> None:
    """Report how far the work is.

    Args:
        done: Units of work done: epochs, batches, files.
        total: Units of work in all, ``None`` if not known.
        **metrics: Numbers worth showing, such as ``loss=0.3``.
    """
    global _is_told
    _is_told = True
    sink = _sink
    if sink is not None:
        sink.progress(done, total, metrics)


def observe(done: float, total: float | None, metrics: Mapping[str, float]) -> None:
    """Report what was seen of the work, until the model reports for itself."""
    sink = _sink
    if sink is not None and not _is_told:
        sink.progress(done, total, metrics)


def install_model_dir(path: Path | None) -> None:
    """Name the folder whose files the model of this process serves."""
    global _model_dir
    _model_dir = path


def model_dir() -> Path | None:
    """Return the folder with the artifacts of the version that is served; it is not written to.

    ``None`` where the package as installed is served. In a training it is the version that was
    served when the training started, and in an evaluation the version that is evaluated.
    """
    return _model_dir


def artifact_dir() -> Path:
    """Return the folder for what the work makes; it is kept with the training or evaluation.

    Outside of these it is a temporary folder, removed when the process ends.
    """
    sink = _sink
    return _scratch_dir("artifacts") if sink is None else sink.artifact_dir()


def checkpoint_dir() -> Path:
    """Return the folder for what helps to resume; a resumed training finds it filled.

    Outside a training it is a temporary folder, removed when the process ends.
    """
    sink = _sink
    return _scratch_dir("checkpoints") if sink is None else sink.checkpoint_dir()


def is_cancelled() -> bool:
    """Tell whether somebody asked for the end; a training that sees it saves and returns."""
    sink = _sink
    return sink is not None and sink.is_cancelled()


def request_id() -> str:
    """Return the id of the request that is served, of the one that began a training; else "".

    The client may have chosen it (``X-Request-ID``): printable ASCII, 128 characters at most. A
    thread that the model starts itself is told by the model.
    """
    return telemetry.request_id.get()


def principal() -> str | None:
    """Return the name of who made the request, or began the training; ``None`` for anonymous."""
    return telemetry.principal.get()


def _scratch_dir(purpose: str) -> Path:
    # Imported here: every worker imports this module and hardly any comes this way.
    import atexit
    import tempfile

    with _scratch_lock:
        if purpose not in _scratch:
            path = Path(tempfile.mkdtemp(prefix=f"deepaas-{purpose}-"))
            atexit.register(_remove_scratch, path, os.getpid())
            _scratch[purpose] = path
        return _scratch[purpose]


def _remove_scratch(path: Path, owner: int) -> None:
    """Remove ``path`` in the process that made it; its forks leave it alone."""
    import shutil

    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
