# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of a server's prediction workers: starts them, reaps them, ends them.

Runs as ``python -P -m deepaas.execution.guard FOLDER SERVER_PID`` with its channel to the server on
standard input. Standard library only, one thread. It outlives a killed server just long enough to
end the whole tree and to remove ``FOLDER``, where uploads lie. Being the subreaper of everything
the workers start, it finds what they leave behind.
"""

import os
import shutil
import signal
import socket
import sys
import time
from typing import NamedTuple

from deepaas.execution.messages import (
    Channel,
    ChannelClosed,
    ProcessEnded,
    ProcessStarted,
    StartProcess,
    StopProcess,
)
from deepaas.execution.processes import (
    MARKER,
    become_subreaper,
    drain,
    kill_all,
    kill_group,
    reap,
    spawn,
    wait_readable,
    wakeup_pipe,
)

#: What a process gets between SIGTERM and SIGKILL once the server is gone.
_ORPHAN_GRACE_S = 1.0
_CANNOT_START = 127


class _Child(NamedTuple):
    key: int
    marker: str


class Guard:
    """Serves one server until its channel closes or its process ends."""

    def __init__(self, channel: Channel, server_fd: int) -> None:
        self._channel = channel
        self._server_fd = server_fd
        self._wakeup = wakeup_pipe()
        self._children: dict[int, _Child] = {}
        self._kill_at: dict[int, float] = {}

    def run(self) -> None:
        """Do as the server says until it is gone; then end everything."""
        try:
            while True:
                timeout_s = min(self._kill_at.values(), default=None)
                if timeout_s is not None:
                    timeout_s -= time.monotonic()
                ready = wait_readable(
                    (self._channel.fileno(), self._server_fd, self._wakeup), timeout_s
                )
                if self._server_fd in ready:
                    return
                if self._wakeup in ready:
                    drain(self._wakeup)
                self._reap()
                if self._channel.fileno() in ready:
                    self._obey()
                self._kill_overdue()
        except (ChannelClosed, BrokenPipeError, ConnectionResetError):
            return
        finally:
            self._end_everything()

    def _obey(self) -> None:
        message, fds = self._channel.receive()
        match message:
            case StartProcess():
                self._start(message, fds)
            case StopProcess(key, grace_s):
                for pid, child in self._children.items():
                    if child.key == key:
                        self._kill_at[pid] = time.monotonic() + grace_s
        for fd in fds:
            os.close(fd)

    def _start(self, start: StartProcess, fds: list[int]) -> None:
        environment = {**start.environment, MARKER: start.marker}
        try:
            pid = spawn(start.argv, environment=environment, fds=fds)
        except OSError:
            self._channel.send(ProcessEnded(start.key, _CANNOT_START))
            return
        self._children[pid] = _Child(start.key, start.marker)
        self._channel.send(ProcessStarted(start.key, pid))

    def _reap(self) -> None:
        for pid, status in reap():
            child = self._children.pop(pid, None)
            self._kill_at.pop(pid, None)
            if child is None:
                continue  # an orphan of a worker
            kill_group(pid, signal.SIGKILL)
            kill_all(child.marker)
            self._channel.send(ProcessEnded(child.key, status))

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, at in self._kill_at.items():
            if at <= now:
                kill_group(pid, signal.SIGKILL)
                # Asked again below, should the process be stuck in the kernel for a while.
                self._kill_at[pid] = now + 1.0

    def _end_everything(self) -> None:
        for pid in self._children:
            kill_group(pid, signal.SIGTERM)
        until = time.monotonic() + _ORPHAN_GRACE_S
        while self._children and time.monotonic() < until:
            wait_readable((self._wakeup,), until - time.monotonic())
            drain(self._wakeup)
            for pid, _ in reap():
                self._children.pop(pid, None)
        kill_all()
        reap()


def main() -> None:
    """Run the guard; arguments and descriptors as in the module's text."""
    uploads, server_pid = sys.argv[1], int(sys.argv[2])
    # The server's end is told by the channel and the pidfd; a Ctrl-C is the server's to handle.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    become_subreaper()
    server_fd = os.pidfd_open(server_pid)
    channel = Channel(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        if os.getppid() == server_pid:  # else it died before the pidfd was open
            Guard(channel, server_fd).run()
    finally:
        shutil.rmtree(uploads, ignore_errors=True)


if __name__ == "__main__":
    main()
