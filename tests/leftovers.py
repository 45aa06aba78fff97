# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find what a run of the tests left behind: processes, temporary files, shared memory."""

import os
import signal
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

#: Environment variable that every process started by this run of the tests inherits.
SESSION = "DEEPAAS_TEST_SESSION"
#: Environment variable of every process that the project starts.
MARKER = b"DEEPAAS_PROCESS="
#: In the command line of every process that the project starts.
MODULE = b"deepaas.execution"
SHARED_MEMORY = Path("/dev/shm")
#: How long what is ending may take to be gone.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Snapshot:
    """What there is at one moment."""

    #: Process id to start time (in clock ticks since boot; pids repeat) and command line.
    processes: frozenset[tuple[int, str, str]]
    files: frozenset[str]
    memory: frozenset[str]

    def __sub__(self, earlier: "Snapshot") -> "Snapshot":
        return Snapshot(
            self.processes - earlier.processes,
            self.files - earlier.files,
            self.memory - earlier.memory,
        )

    def __bool__(self) -> bool:
        return bool(self.processes or self.files or self.memory)

    def lines(self) -> list[str]:
        """Describe it for people, a thing a line."""
        return [
            *(f"process {pid}: {command}" for pid, _, command in sorted(self.processes)),
            *(f"temporary file {path}" for path in sorted(self.files)),
            *(f"shared memory {path}" for path in sorted(self.memory)),
        ]


def is_ours(environ: bytes, command: bytes, session: str) -> bool:
    """Whether a process belongs to this run of the tests.

    Another run on the same machine carries another session; a process without any, started with an
    environment of its own, counts for everyone.
    """
    variables = environ.split(b"\0")
    sessions = [item for item in variables if item.startswith(f"{SESSION}=".encode())]
    if sessions:
        return sessions[0] == f"{SESSION}={session}".encode()
    return MODULE in command or any(item.startswith(MARKER) for item in variables)


def take(session: str) -> Snapshot:
    """Look around.

    Args:
        session: The value of :data:`SESSION` in this run's processes.
    """
    processes = set()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            environ = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
            # The name, field 2, may hold blanks and brackets; the start time is field 22.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile, or another user's
        # A zombie (Z) has no environment to be known by, only a parent that has yet to ask.
        if is_ours(environ, command, session) and fields[0] != "Z":
            words = command.replace(b"\0", b" ").decode(errors="replace").strip()
            processes.add((int(folder.name), fields[19], words))
    temporary = {Path(tempfile.gettempdir()), Path("/tmp")}
    files = {str(path) for place in temporary for path in place.glob("deepaas-*")}
    memory = {str(path) for path in SHARED_MEMORY.glob("*")}
    return Snapshot(frozenset(processes), frozenset(files), frozenset(memory))


def wait_for_none(
    before: Snapshot, session: str, *, but: Iterable[str] = (), patience_s: float = PATIENCE_S
) -> Snapshot:
    """Return what is there and was not before, once nothing is or the patience has ended.

    Args:
        before: What does not count.
        session: The value of :data:`SESSION` in this run's processes.
        but: Paths of files that do not count either.
        patience_s: How long what is ending may take to be gone.
    """
    before = replace(before, files=before.files | frozenset(but))
    deadline = time.monotonic() + patience_s
    while (left := take(session) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def kill(left: Snapshot, session: str) -> None:
    """End what this run left, so that the next one starts clean.

    A process without a session is reported and spared: somebody may have started it by hand.
    """
    mark = f"{SESSION}={session}".encode()
    for pid, _, _ in left.processes:
        try:
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended by itself
