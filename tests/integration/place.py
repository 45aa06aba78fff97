# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One state directory, and the servers that come and go on it with a model that waits."""

import signal
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

from tests.integration.harness import Server, serve, wait_for
from tests.integration.state import State

#: Trains until the gate is opened.
MODEL = "waits_in_train"


class Place:
    """Where servers meet; the model's gate, and its list of who ran."""

    def __init__(self, folder: Path) -> None:
        """Make the state directory in a folder of the test's own."""
        self.folder = folder
        self.state = State(folder / "state")
        self.gate = folder / "gate"
        self.ran = folder / "ran"

    def serve(self, *options: str, model: str = MODEL) -> AbstractContextManager[Server]:
        """Run a server here."""
        return serve(model, self.folder, *options, state_dir=self.state.path)

    def train(self, server: Server) -> str:
        """Submit a training that waits for the gate, and return its id."""
        return str(server.train(MODEL, gate=self.gate, ran=self.ran)["uuid"])

    def train_until_it_runs(self, server: Server) -> str:
        """Submit one and wait until its function was called."""
        uuid = self.train(server)
        wait_for(lambda: uuid in self.runs())
        return uuid

    def runs(self) -> list[str]:
        """Return the ids of the jobs that ran, once for each time."""
        text = self.ran.read_text() if self.ran.exists() else ""
        return [line.split()[0] for line in text.splitlines()]


def kill(server: Server) -> None:
    """Kill a server's process alone."""
    server.signal(signal.SIGKILL)
    server.wait_end()


def guard_of(server: Server) -> psutil.Process:
    """Return the guard of the one training that the server started."""
    (guard,) = server.running("job_guard")
    return guard


def numbers(log: Path) -> list[int]:
    """Return the numbers of the lines that the model printed."""
    lines = log.read_text().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("line ")]
