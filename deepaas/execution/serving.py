# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A worker that runs one call after the other."""

import os
import sys
from typing import NoReturn

from deepaas.execution.calls import Answered, CallRunner
from deepaas.execution.intake import Intake
from deepaas.execution.outbox import Outbox
from deepaas.execution.page import CallPage
from deepaas.execution.streaming import StreamSender


class Serving:
    """Takes calls, runs them and answers them, until the server stops it."""

    def __init__(self, runner: CallRunner, intake: Intake, outbox: Outbox, page: CallPage) -> None:
        self._runner = runner
        self._intake = intake
        self._outbox = outbox
        self._page = page
        self._stream = StreamSender(intake, outbox, page, runner.failure).send
        self._pid = os.getpid()

    def serve(self) -> None:
        """Run until the server says stop.

        Raises:
            ChannelClosed: The server is gone.
            SystemExit: The model wants its process to end.
        """
        while not self._intake.is_stopping:
            if self._run_next():
                continue
            self._outbox.flush()
            # It may have been told to stop while it ran something.
            if not self._intake.is_stopping:
                self._intake.wait()
        self._outbox.flush()

    def _run_next(self) -> bool:
        """Run what is there; false if there is nothing more."""
        taken = self._intake.take(0)
        if taken is None:
            return False
        answered = self._runner.serve(*taken, self._stream)
        self._leave_fork()
        self._end(0, answered)
        return True

    def _end(self, slot: int, answered: Answered | None) -> None:
        end_call(self._outbox, self._page, slot, answered)

    def _leave_fork(self) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the model's that came back from predict()


def end_call(outbox: Outbox, page: CallPage, slot: int, answered: Answered | None) -> None:
    """Answer a call, then take it out of the page: in this order it is never nowhere.

    Args:
        outbox: Where its answer goes.
        page: Where it is noted.
        slot: Its place there.
        answered: ``None`` if it was answered by a stream.

    Raises:
        OSError: The server is gone.
    """
    if answered is not None:
        answer, file = answered
        if file is None:
            outbox.answer(answer)
        else:
            with file:
                outbox.answer(answer, file.fileno())
    page.end(slot)


def leave(exc: SystemExit) -> NoReturn:
    """End this process as the model wants; threads that it left must not prevent that."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # full, or closed by the model
    os._exit(exc.code & 0xFF if isinstance(exc.code, int) else 1)
