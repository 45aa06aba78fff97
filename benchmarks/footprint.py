# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a server holds at one moment, and what of it is more than before."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from benchmarks.servers import Server

#: By how much the server's own process may grow.
GROWTH = 0.05
_MB = 1_000_000
_MODULE = "deepaas.execution."
_PATIENCE_S = 15.0
_PAUSE_S = 0.5


@dataclass(frozen=True)
class Use:
    """What one process holds."""

    resident_mb: float
    descriptors: int


@dataclass(frozen=True)
class Footprint:
    """What the processes of a server hold."""

    #: What the process is, with its pid: one that was replaced is another one.
    processes: Mapping[str, Use]

    @property
    def shape(self) -> dict[str, int]:
        """The processes and their descriptors, which stand still when nothing is going on."""
        return {name: use.descriptors for name, use in self.processes.items()}


def name_of(command: list[str], *, is_server: bool) -> str:
    """Say what a process is by its command line: server, guard, worker, or the command."""
    if is_server:
        return "server"
    for word in command:
        if word.startswith(_MODULE):
            return word.removeprefix(_MODULE)
    return " ".join(command)[:60] or "a process without a command line"


def look(server: Server) -> Footprint:
    """Look at the processes of a server."""
    found = {}
    for process in server.processes():
        try:
            name = name_of(process.cmdline(), is_server=process.pid == server.pid)
            use = Use(process.memory_info().rss / _MB, process.num_fds())
        except psutil.Error:
            continue  # gone meanwhile
        found[f"{name} {process.pid}"] = use
    return Footprint(found)


def quiet(server: Server) -> Footprint:
    """Wait until processes and descriptors stand still, and look."""
    deadline = time.monotonic() + _PATIENCE_S
    latest = look(server)
    while time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        before, latest = latest, look(server)
        if before.shape == latest.shape:
            break
    return latest


def faults(before: Footprint, after: Footprint) -> list[str]:
    """Say what is there that was not, and what has grown: the server's memory alone is promised."""
    found = []
    for name, now in after.processes.items():
        was = before.processes.get(name)
        if was is None:
            found.append(f"{name} was not there before")
            continue
        if now.descriptors > was.descriptors:
            more = now.descriptors - was.descriptors
            found.append(f"{name} has {more} more descriptors ({now.descriptors})")
        if name.startswith("server ") and now.resident_mb > was.resident_mb * (1 + GROWTH):
            share = now.resident_mb / was.resident_mb - 1
            found.append(f"{name} has grown by {share:.1%} to {now.resident_mb:.1f} MB")
    found += [f"{name} is gone" for name in before.processes if name not in after.processes]
    return found
