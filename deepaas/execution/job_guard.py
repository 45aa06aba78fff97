# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guard of one job: holds its lock, starts it, supervises it, writes its end.

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

from deepaas.execution.attempts import Cause, conclude
from deepaas.execution.jobdir import End, JobDirectory, until_there_is_space
from deepaas.execution.joblog import LogCap
from deepaas.execution.jobwords import noun_of
from deepaas.execution.messages import Begin, Busy, Channel, ChannelClosed, Locked
from deepaas.execution.out_of_memory import KillCounts, count_kills, explain_kill
from deepaas.execution.processes import (
    MARKER,
    become_subreaper,
    drain,
    kill_all,
    kill_group,
    reap,
    signal_descendants,
    spawn,
    wait_readable,
    wakeup_pipe,
)
from deepaas.records import JobState

#: How often the guard looks for an end that somebody else decided (a cancel).
_LOOK_S = 0.1
#: What a training may take to leave after it has written its outcome: handlers at exit, threads.
_LEAVE_S = 30.0
_NEVER = float("inf")
#: How a process ends that was sent SIGTERM: by it, or by the exception that a training makes of it.
_TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)


def describe_exit(status: int, kills: KillCounts, kind: str) -> tuple[End, Cause]:
    """Say in words how a process ended that had not said so itself, and which cause that is.

    Args:
        status: Its exit status, or the negative number of the signal.
        kills: What the kernel killed for lack of memory since the process was started.
        kind: Of the job.
    """
    process = f"The {noun_of(kind)}'s process"
    if status in _TERMINATED:
        text = f"{process} was told to end by SIGTERM, not by this service."
        return End.now("interrupted", text), Cause.LOST
    if status >= 0:
        text = f"{process} exited with status {status} before {kind}() returned."
        return End.now("error", text), Cause.FAILED
    name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
    text = f"{process} was killed by {name}"
    if status != -signal.SIGKILL:
        return End.now("error", f"{text}."), Cause.FAILED
    return End.now("error", f"{text}: {explain_kill(kills)}."), Cause.KILLED


class JobGuard:
    """Supervises one attempt of the training of a directory whose lock it holds."""

    def __init__(self, directory: JobDirectory, begin: Begin) -> None:
        self._directory = directory
        self._begin = begin
        self._wakeup = wakeup_pipe()
        self._asked_to_stop = False
        #: When what is left is killed, and when all of it is told to end.
        self._kill_at = _NEVER
        self._tell_all_at = _NEVER
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, frame: object) -> None:
        self._asked_to_stop = True

    def run(self) -> None:
        """Run the training to its end, and leave nothing of it."""
        try:
            end, cause = self._train()
            until_there_is_space(lambda: self._conclude(end, cause))
        finally:
            kill_all()
            reap()

    def _conclude(self, end: End, cause: Cause | None) -> None:
        conclude(self._directory, self._begin.attempt, self._begin.training, end, cause)

    def _train(self) -> tuple[End, Cause | None]:
        """Run the training and return how it ended, if nothing decided that before, and why."""
        directory, begin = self._directory, self._begin
        kills_before = count_kills()
        try:
            log_fd = self._open_log()
            log = LogCap(directory.log, begin.max_log_bytes)
            environment = {**begin.environment, MARKER: directory.path.name}
            pid = spawn(begin.argv, environment=environment, output_fd=log_fd)
        except OSError as exc:
            text = f"The {noun_of(begin.kind)} could not be started: {exc}"
            return End.now("error", text), Cause.FAILED
        status = self._supervise(pid, log)
        self._see_off()
        log.close()
        kills = count_kills().since(kills_before)
        if (end := directory.outcome()) is not None:
            is_done = end.state == JobState.DONE
            return (end, None) if is_done else (_with_kills(end, kills), Cause.FAILED)
        if self._asked_to_stop:
            return self._stopped(), Cause.STOPPED
        return describe_exit(status, kills, begin.kind)

    def _open_log(self) -> int:
        """Open the log, to which this process writes too, and return its descriptor."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._directory.log, flags, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        return fd

    def _stopped(self) -> End:
        return End.now("interrupted", f"The {noun_of(self._begin.kind)} was stopped.")

    def _is_over(self) -> bool:
        return self._directory.is_decided() or self._directory.has_ended(self._begin.attempt)

    def _is_to_stop(self) -> bool:
        """Whether the end was decided, or the guard was asked to stop, or the job is removed."""
        if self._asked_to_stop and not self._is_over():
            try:
                self._conclude(self._stopped(), Cause.STOPPED)
            except OSError:
                return True  # the disk is full, or the directory gone; decided at the end, if so
        return self._is_over() or not self._directory.path.is_dir()

    def _supervise(self, pid: int, log: LogCap) -> int:
        """Wait for the training, stopping it if its end is decided; return its exit status."""
        look_s = _LOOK_S
        while True:
            if self._wakeup in wait_readable((self._wakeup,), look_s):
                drain(self._wakeup)
            for ended, status in reap():
                if ended == pid:
                    return status
            look_s = min(_LOOK_S, log.look())
            self._advance(pid, time.monotonic())

    def _advance(self, pid: int, now: float) -> None:
        """Take the next step towards the end, if it is time for one.

        First the training's own process is told: it may need what it started until it has saved.
        The others are told when it has ended, or when half of the grace is over.
        """
        if self._kill_at == _NEVER:
            if self._is_to_stop():
                os.kill(pid, signal.SIGTERM)
                self._kill_at = now + self._begin.grace_s
                self._tell_all_at = now + self._begin.grace_s / 2
            elif self._directory.has_outcome():
                self._kill_at = now + _LEAVE_S
        elif now >= self._kill_at:
            kill_group(pid, signal.SIGKILL)
        elif now >= self._tell_all_at:
            self._tell_all_at = _NEVER
            signal_descendants(signal.SIGTERM)

    def _see_off(self) -> None:
        """Give what a stopped training has left behind the rest of its grace."""
        if not self._is_to_stop():
            return
        until = min(self._kill_at, time.monotonic() + self._begin.grace_s)
        is_left = signal_descendants(signal.SIGTERM)
        while is_left and time.monotonic() < until:
            wait_readable((self._wakeup,), 0.01)
            drain(self._wakeup)
            reap()
            is_left = signal_descendants(0)


def _with_kills(end: End, kills: KillCounts) -> End:
    """Add to a failure that the kernel killed something, a data loader say, for lack of memory."""
    if not kills.in_group:
        return end
    more = "Meanwhile the kernel killed a process here for lack of memory."
    return end._replace(message=f"{end.message} ({more})")


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
    if directory.is_decided() or directory.has_begun(begin.attempt):
        return
    directory.note_state(JobState.RUNNING, begin.attempt)
    is_afresh = begin.attempt > 1 and not begin.training.resumable
    if directory.begin(begin.attempt, is_afresh=is_afresh):
        JobGuard(directory, begin).run()


if __name__ == "__main__":
    main()
