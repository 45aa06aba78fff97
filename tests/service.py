# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Start a service as a reader of the documentation would, and end it as Ctrl-C would."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

#: Marks the processes of one service; they all inherit it.
MARK = "DEEPAAS_TEST_SERVICE"


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Service:
    """A command that serves, in a process group of its own; its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.port = port
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self.processes():
            # What ends by itself may be gone in this moment.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def wait_ready(self, *, limit_s: float, path: str = "/v2/health/ready") -> None:
        """Wait until every model can be called, or whatever else answers with 200 at a path."""
        deadline = time.monotonic() + limit_s
        url = f"http://127.0.0.1:{self.port}{path}"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise AssertionError(f"The service did not become ready. Its output:\n{self.output()}")

    def output(self) -> str:
        """Return what it has printed."""
        return self._log.read_text("utf-8", errors="replace")

    def interrupt(self, *, limit_s: float) -> list[str]:
        """Press Ctrl-C, which goes to all processes of the terminal, and wait for the end.

        Returns:
            The command lines of the processes that are still there.
        """
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(limit_s)
        _, alive = psutil.wait_procs(self.processes(), timeout=2)
        return [" ".join(process.cmdline()) for process in alive]

    def processes(self) -> list[psutil.Process]:
        """Return all that the command has started, itself included, wherever it hangs now."""
        found = []
        entry = f"{MARK}={self._mark}".encode()
        # A test may look again and again, at all processes of the machine: this is a fifth of what
        # psutil takes for it.
        for pid in psutil.pids():
            try:
                if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append(psutil.Process(pid))
            except (OSError, psutil.Error):
                continue  # gone meanwhile, or another user's
        return found
