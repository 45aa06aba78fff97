# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of one training: holds its lock, starts it, supervises it, writes its end.

Runs as ``python -P -m deepaas.execution.job_guard DIRECTORY`` with its channel to the server on
standard input, until the server has said :class:`~deepaas.execution.messages.Begin`; from then on
it needs no server. Standard library only, one thread.

The lock is taken *before* the server claims the job, so a job that the store calls running and
whose lock is free has nobody: a recovering server may judge it.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from deepaas.execution.jobdir import End, JobDirectory, until_there_is_space
from deepaas.execution.messages import Begin, Busy, Channel, ChannelClosed, Locked
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

#: How often the guard looks for an end that somebody else decided (a cancel).
_LOOK_S = 0.1
#: What a training may take to leave after it has written its outcome: handlers at exit, threads.
_LEAVE_S = 30.0
_KILLED_BY_KERNEL = -signal.SIGKILL


def describe_exit(status: int) -> str:
    """Say in words how a process ended that had not said so itself."""
    if status >= 0:
        return f"The training's process exited with status {status} before train() returned."
    name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
    hint = "; the kernel does this when memory runs out" if status == _KILLED_BY_KERNEL else ""
    return f"The training's process was killed by {name}{hint}."


class JobGuard:
    """Supervises the one training of a directory whose lock it holds."""

    def __init__(self, directory: JobDirectory, begin: Begin) -> None:
        self._directory = directory
        self._begin = begin
        self._wakeup = wakeup_pipe()
        self._asked_to_stop = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, frame: object) -> None:
        self._asked_to_stop = True

    def run(self) -> None:
        """Run the training to its end, and leave nothing of it."""
        try:
            end = self._train()
            until_there_is_space(lambda: self._directory.decide(end))
        finally:
            kill_all()
            reap()

    def _train(self) -> End:
        """Run the training and return how it ended, if nothing decided that before."""
        directory = self._directory
        try:
            log_fd = os.open(
                directory.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            os.dup2(log_fd, 1)
            os.dup2(log_fd, 2)
            environment = {**self._begin.environment, MARKER: directory.path.name}
            pid = spawn(self._begin.argv, environment=environment, output_fd=log_fd)
        except OSError as exc:
            return End.now("error", f"The training could not be started: {exc}")
        status = self._supervise(pid)
        if (end := directory.outcome()) is not None:
            return end
        if self._asked_to_stop:
            return self._stopped()
        return End.now("error", describe_exit(status))

    def _stopped(self) -> End:
        return End.now("interrupted", "The training was stopped.")

    def _is_to_stop(self) -> bool:
        """Whether the end was decided, or the guard was asked to stop, or the job is removed."""
        if self._asked_to_stop and not self._directory.is_decided():
            try:
                self._directory.decide(self._stopped())
            except OSError:
                return True  # the disk is full, or the directory gone; decided at the end, if so
        return self._directory.is_decided() or not self._directory.path.is_dir()

    def _supervise(self, pid: int) -> int:
        """Wait for the training, stopping it if its end is decided; return its exit status."""
        kill_at: float | None = None
        while True:
            if self._wakeup in wait_readable((self._wakeup,), _LOOK_S):
                drain(self._wakeup)
            for ended, status in reap():
                if ended == pid:
                    return status
            now = time.monotonic()
            if kill_at is None:
                if self._is_to_stop():
                    # To the training alone: it may need what it started until it has saved.
                    os.kill(pid, signal.SIGTERM)
                    kill_at = now + self._begin.grace_s
                elif self._directory.has_outcome():
                    kill_at = now + _LEAVE_S
            elif now >= kill_at:
                kill_group(pid, signal.SIGKILL)


def main() -> None:
    """Run the guard; arguments and descriptors as in the module's text."""
    directory = JobDirectory(Path(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    become_subreaper()
    channel = Channel(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lock = directory.lock()
    if lock is None:
        channel.send(Busy())
        return
    channel.send(Locked())
    try:
        begin, _ = channel.receive(wait=True)
    except (ChannelClosed, ConnectionResetError):
        return  # claimed by another server, or ours is gone
    channel.close()
    # A cancel may have decided the end while the job was being claimed.
    if not directory.is_decided() and directory.begin(begin.attempt):
        JobGuard(directory, begin).run()


if __name__ == "__main__":
    main()
