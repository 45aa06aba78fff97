# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The server's side of one worker, for tests of the worker alone."""

import fcntl
import os
import select
import subprocess
import sys
import termios
import time
from collections import deque
from pathlib import Path
from typing import Any

from deepaas.execution.local import python
from deepaas.execution.messages import (
    Call,
    Channel,
    ChannelClosed,
    Loaded,
    LoadFailed,
    LoadModel,
    Resume,
    Stop,
    Wake,
    unpack,
)
from deepaas.execution.page import CallPage
from deepaas.records import ModelSource, SourceKind
from tests.unit.parts import PATIENCE_S, ROOT


class Counterpart:
    """A worker process and what the server holds of it; a context manager."""

    def __init__(self, source: ModelSource, folder: Path, load: LoadModel | None = None) -> None:
        self.calls, calls = Channel.pair()
        self.control, control = Channel.pair()
        page_fd = CallPage.create()
        self.page = CallPage(page_fd)
        self._heard: deque[tuple[Any, list[int]]] = deque()
        # A shell puts each descriptor in its place.
        fds = (calls.fileno(), control.fileno(), page_fd)
        moved = [f"{number}<&{fd}" for number, fd in zip((3, 4, 5), fds, strict=True)]
        line = " ".join(python("deepaas.execution.worker", "predict"))
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {line} {' '.join(moved)}"],
            pass_fds=fds,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
        )
        for end in (calls, control):
            end.close()
        os.close(page_fd)
        self.control.send(load or LoadModel(source, warm=True))

    @classmethod
    def of(cls, code: str, folder: Path, *, wait: bool = True) -> "Counterpart":
        """Start a worker for a model with this code, and wait until it is loaded if asked to."""
        path = folder / "model_of_test.py"
        path.write_text(code)
        made = cls(ModelSource("model_of_test", SourceKind.FILE, str(path)), folder)
        if wait:
            made.loaded()
        return made

    def __enter__(self) -> "Counterpart":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def loaded(self) -> Loaded:
        """Wait until the model is loaded."""
        message, _ = self.hear()
        assert isinstance(message, Loaded), message
        return message

    def call(self, call_id: int, **arguments: Any) -> None:
        """Hand out a prediction."""
        self.calls.send(Call(call_id, "predict", f"r{call_id}", arguments))

    def stream(self, call_id: int, media_type: str, **arguments: Any) -> None:
        """Hand out a prediction whose answer is to come piece by piece."""
        self.calls.send(Call(call_id, "predict", f"r{call_id}", arguments, None, stream=media_type))

    @property
    def calls_wait(self) -> bool:
        """Whether the worker has not taken all calls yet."""
        unread = fcntl.ioctl(self.calls.fileno(), termios.TIOCOUTQ, bytes(4))
        return any(unread)

    def hear(self) -> tuple[Any, list[int]]:
        """Wait for what the worker says of its calls or itself; a wake-up says nothing."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._heard:
            assert time.monotonic() < deadline, "the worker says nothing"
            self._listen(0.05)
        return self._heard.popleft()

    def hear_all(self, count: int) -> dict[int, Any]:
        """Wait for so many messages about calls, and return them by the call's id."""
        return {message.call_id: message for message, _ in (self.hear() for _ in range(count))}

    def _listen(self, timeout_s: float) -> None:
        """Read the ring and the channel; the ring's messages are there without a word too."""
        select.select([self.control.fileno()], [], [], timeout_s)
        try:
            while True:
                message, fds = self.control.receive()
                if not isinstance(message, Wake):
                    self._heard.append((message, fds))
        except BlockingIOError:
            pass
        except ChannelClosed:
            assert self.page.ring.has_unread or self._heard, self.process.communicate()
        self.page.ring.looked()
        while (data := self.page.ring.take()) is not None:
            self._heard.append((unpack(data), []))

    def cancel(self, call_id: int) -> None:
        """Cancel a call that runs, as the server does."""
        slot = next(each.slot for each in self.page.running if each.call_id == call_id)
        self.page.cancel(slot, call_id)
        self.control.send(Resume())

    def pass_on(self, slot: int, count: int) -> None:
        """Say that so much of a stream has gone on to the client."""
        self.page.set_passed_on(slot, count)
        self.control.socket.setblocking(False)
        try:
            self.control.send(Resume())
        except BlockingIOError:
            pass  # it has enough to hear
        finally:
            self.control.socket.setblocking(True)

    def stop(self) -> int:
        """Let the worker finish and end, and return its exit status."""
        self.page.request_stop()
        self.control.send(Stop())
        return self.process.wait(PATIENCE_S)

    def close(self) -> str:
        """Be gone, as a server that was killed; return what the worker has printed."""
        self.calls.close()
        self.control.close()
        self.page.close()
        try:
            output, errors = self.process.communicate(timeout=PATIENCE_S)
        finally:
            self.process.kill()
        sys.stdout.write(errors.decode())
        return output.decode() + errors.decode()


def failed(message: object) -> LoadFailed:
    """Return the message if it says that the model cannot be loaded."""
    assert isinstance(message, LoadFailed), message
    return message
