# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Workers whose every step a test takes itself, over the real channel and the real page."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deepaas.execution.base import JobProcess, OnEnd
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.messages import Answer, Call, Channel, Loaded, LoadFailed, LoadModel, pack
from deepaas.execution.page import CallPage
from deepaas.records import ModelDescription, ModelSource, SourceKind

SOURCE = ModelSource("cat", SourceKind.ENTRY_POINT, "cat.model", "cat-package", "1.0")
DESCRIPTION = ModelDescription("cat", {"id": "0"})


class HandWorker:
    """The worker's side of its descriptors, moved by hand."""

    def __init__(self, fds: Sequence[int], on_end: OnEnd) -> None:
        calls, control, page = (os.dup(fd) for fd in fds)
        self.calls = Channel(socket.socket(fileno=calls))
        self.control = Channel(socket.socket(fileno=control))
        self.page = CallPage(page)
        os.close(page)
        self.stopped_s: float | None = None
        self._on_end = on_end
        message, _ = self.control.receive()
        assert isinstance(message, LoadModel)
        self.told = message
        self.is_gone = False
        self._was_told = False

    @property
    def is_told(self) -> bool:
        """Whether it was asked to take no more calls; true also after its end."""
        return self._was_told if self.is_gone else self.page.is_stopping

    def load(self, description: ModelDescription = DESCRIPTION) -> None:
        """Say that the model is loaded."""
        self.control.send(Loaded(description))

    def fail(self, reason: str, *, lacks_memory: bool = False) -> None:
        """Say that the model cannot be loaded, and end."""
        self.control.send(LoadFailed(reason, "Traceback …", lacks_memory))
        self.die(1)

    def grab(self) -> tuple[Call, list[int]]:
        """Take a call and note nothing yet."""
        self.page.set_receiving(True)
        call, fds = self.calls.receive()
        return call, fds

    def begin(self, call: Call, slot: int = 0, *, ago_s: float = 0.0) -> None:
        """Note a call that was grabbed."""
        self.page.begin(call.id, time.monotonic() - ago_s, slot)
        self.page.set_receiving(False)

    def take(self, slot: int = 0) -> Call:
        """Take a call and begin it."""
        call, fds = self.grab()
        for fd in fds:
            os.close(fd)
        self.begin(call, slot)
        return call

    def answer(self, call: Call, body: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Answer a call, and leave it in the page."""
        self.control.send(Answer(call.id, "text/plain", body), fds)

    def finish(self, call: Call, body: bytes = b"", slot: int = 0) -> None:
        """Answer a call and clear the page."""
        self.answer(call, body)
        self.page.end(slot)

    def put(self, *messages: NamedTuple) -> None:
        """Put messages into the ring without telling of them."""
        for message in messages:
            assert self.page.ring.put(pack(message))

    def serve(self) -> int:
        """Answer all that is there, and return how much that was."""
        count = 0
        while True:
            try:
                call = self.take()
            except BlockingIOError:
                return count
            finally:
                self.page.set_receiving(False)
            self.finish(call, str(call.id).encode())
            count += 1

    def die(self, status: int = -9) -> None:
        """End, with the page as it is."""
        self._was_told = self.page.is_stopping
        self.is_gone = True
        self.calls.close()
        self.control.close()
        self.page.close()
        self._on_end(status)


class HandExecutor:
    """Lets a test be the workers."""

    def __init__(self) -> None:
        self.workers: list[HandWorker] = []
        self.environments: list[Mapping[str, str]] = []
        #: Process ids that the workers pretend to have.
        self.pids: dict[int, int] = {}

    @property
    def uploads(self) -> Path:
        raise NotImplementedError

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        fds: Sequence[int],
        on_end: OnEnd,
    ) -> int:
        """Make a worker to be moved by hand."""
        self.environments.append(environment)
        self.workers.append(HandWorker(fds, on_end))
        return len(self.workers) - 1

    def pid(self, key: int) -> int | None:
        """Return what the test says; there is no process."""
        return self.pids.get(key)

    def stop(self, key: int, *, grace_s: float) -> None:
        """Note the grace."""
        self.workers[key].stopped_s = grace_s

    async def start_job(
        self, directory: JobDirectory, on_end: Callable[[], None]
    ) -> JobProcess | None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
