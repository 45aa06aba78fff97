# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The child process in which a model runs: one entry for predictions and for jobs.

``python -P -m deepaas.execution.worker predict`` serves calls; descriptors 3, 4 and 5 are the calls
that all workers of the model share, this worker's control channel, and its page.
``python -P -m deepaas.execution.worker train DIRECTORY [ATTEMPT]`` runs the training of a job's
directory, and ``evaluate`` in its place an evaluation; by hand too, when an author debugs.

The child imports the model itself and keeps the object: what ``warm()`` sets, stays.
"""

import faulthandler
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from deepaas import telemetry
from deepaas.errors import ModelLoadError
from deepaas.execution.batching import BatchServing
from deepaas.execution.calls import CallRunner
from deepaas.execution.children import JOB_VARIABLE, NAME_IN_CHILD, spawn_children
from deepaas.execution.intake import Intake
from deepaas.execution.messages import (
    Channel,
    ChannelClosed,
    Closing,
    Loaded,
    LoadFailed,
    LoadModel,
    Serve,
)
from deepaas.execution.out_of_memory import shortage
from deepaas.execution.outbox import Outbox
from deepaas.execution.output import write_each_line, write_each_line_of_c
from deepaas.execution.page import CallPage
from deepaas.execution.serving import Serving, leave
from deepaas.model import context
from deepaas.model.adapter import ModelAdapter, load_model
from deepaas.model.description import describe
from deepaas.model.discovery import authors_part
from deepaas.records import PROCESS_KINDS, LogSettings, ModelSource
from deepaas.telemetry import configure_model_logging

CALLS_FD, CONTROL_FD, PAGE_FD = 3, 4, 5


def load_warm(source: ModelSource, *, warm: bool) -> ModelAdapter:
    """Import the model, and warm it if asked to.

    Raises:
        ModelLoadError: It cannot be imported, or its ``warm()`` raised.
    """
    adapter = load_model(source)
    if warm:
        warm_model(adapter)
    return adapter


def warm_model(adapter: ModelAdapter) -> None:
    """Call a model's ``warm()``.

    Raises:
        ModelLoadError: It raised.
    """
    try:
        adapter.warm()
    except (Exception, SystemExit) as exc:
        source = adapter.source
        raise ModelLoadError(
            f"warm() of {source.label} raised {type(exc).__name__}: {exc}",
            name=source.name,
            distribution=source.distribution,
            traceback="".join(
                traceback.format_exception(type(exc), exc, authors_part(exc.__traceback__))
            ),
        ) from exc


class PredictionWorker:
    """Takes calls from the queue that the workers of a model share, one at a time."""

    def __init__(
        self,
        calls: Channel,
        control: Channel,
        page: CallPage,
        *,
        configure: Callable[[LogSettings], object] | None = None,
    ) -> None:
        self._calls = calls
        self._configure = configure
        self._control = control
        self._page = page

    def run(self) -> int:
        """Load the model and serve it until told to stop; return the exit status."""
        message, _ = self._control.receive(wait=True)
        assert isinstance(message, LoadModel)
        telemetry.model.set(message.source.name)
        try:
            if self._configure is not None and message.log is not None:
                self._configure(message.log)
            folder = message.model_dir
            context.install_model_dir(None if folder is None else Path(folder))
            adapter = load_warm(message.source, warm=message.warm)
            loaded = Loaded(describe(adapter))
        except ModelLoadError as exc:
            lacks_memory = shortage(exc) is not None
            self._control.send(LoadFailed(exc.message, exc.traceback, lacks_memory))
            return 1
        except Exception as exc:  # noqa: BLE001 - the border of the author's code
            reason = f"{message.source.label}: {type(exc).__name__}: {exc}"
            lacks_memory = shortage(exc) is not None
            self._control.send(LoadFailed(reason, traceback.format_exc(), lacks_memory))
            return 1
        # First: a worker that says it is ready needs no more descriptors for that.
        intake = Intake(self._calls, self._control, self._page)
        try:
            self._control.send(loaded)
            if not message.waits or self._is_let_serve():
                self._serve(adapter, intake)
        finally:
            intake.close()
        return 0

    def _is_let_serve(self) -> bool:
        """Wait for the word to begin; false: it is to end."""
        message, _ = self._control.receive(wait=True)
        return isinstance(message, Serve)

    def _serve(self, adapter: ModelAdapter, intake: Intake) -> None:
        def close_down(reason: str) -> None:
            """Answer what was taken, no more; the server is told, and starts another worker."""
            if not intake.is_stopping:
                intake.close_down()
                self._control.send(Closing(f"its process cannot use its GPU any more: {reason}"))

        runner = CallRunner(adapter, on_lost_device=close_down)
        parts = (runner, intake, Outbox(self._control, self._page), self._page)
        try:
            if adapter.batch is not None:
                BatchServing(*parts, adapter=adapter, batch=adapter.batch).serve()
            elif adapter.is_async:
                # Other models do without what this brings with it.
                from deepaas.execution.async_serving import AsyncServing

                adapter.loop.run(AsyncServing(*parts, adapter=adapter).serve())
            else:
                Serving(*parts).serve()
        except SystemExit as exc:
            leave(exc)


def main() -> None:
    """Run the worker that the arguments name; see the module's text."""
    faulthandler.enable()
    write_each_line()
    spawn_children()
    match sys.argv[1:]:
        case ["predict"]:
            calls, control = (Channel(socket.socket(fileno=fd)) for fd in (CALLS_FD, CONTROL_FD))
            page = CallPage(PAGE_FD)
            try:
                configure = configure_model_logging
                status = PredictionWorker(calls, control, page, configure=configure).run()
            except (ChannelClosed, BrokenPipeError, ConnectionResetError):
                status = 0  # the server is gone
            sys.exit(status)
        case [kind, directory, *attempt] if kind in PROCESS_KINDS and len(attempt) < 2:
            from deepaas.execution.training import run_job

            write_each_line_of_c()
            # The job's log is its standard error.
            configure_model_logging(LogSettings())
            sys.exit(run_job(kind, Path(directory), *map(int, attempt)))
        case _:
            sys.exit(__doc__)


def begin_child() -> None:
    """Begin a process that the model has started with multiprocessing, before it does anything."""
    # Its pool may kill it as it ends.
    write_each_line()
    if JOB_VARIABLE in os.environ:
        from deepaas.execution.training import join_job

        join_job()


if __name__ == "__main__":
    main()
elif __name__ == NAME_IN_CHILD:
    begin_child()
