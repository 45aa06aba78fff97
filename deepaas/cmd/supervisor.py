# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run a command's model in a process of its own, and end it with everything that it started.

The child is ``python -P -m deepaas.cmd.child``: started by exec, in a session of its own, with an
empty standard input. It tells the status of the command on descriptor 3, so that a model that ends
its process in the middle is not taken for a success.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence

from deepaas.cmd.screen import ScreenForChild
from deepaas.execution.local import python
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
from deepaas.execution.scratch import make_scratch

#: What the child gets to end after a Ctrl-C, unless there is a second one.
_GRACE_S = 5.0
_FAILED = 1


def run_in_child(prog: str, argv: Sequence[str], *, with_bar: bool = False) -> int:
    """Run a command in a child and return its exit status; 128 + n after signal n.

    For a process that does nothing else: it handles its signals and ends all its descendants.

    Args:
        prog: Name of the command.
        argv: Its arguments.
        with_bar: Keep a bar below what the child prints; standard error is a terminal.

    Raises:
        ConfigurationError: No folder for temporary files can be written.
    """
    received: list[int] = []
    become_subreaper()
    wakeup = wakeup_pipe()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: received.append(number))
    folder = str(make_scratch())
    status_read, status_write = os.pipe()
    screen = ScreenForChild() if with_bar else None
    if screen is not None:
        signal.signal(signal.SIGWINCH, lambda number, frame: screen.follow_size())
    try:
        pid = spawn(
            python("deepaas.cmd.child", "bar" if screen else "plain", folder, prog, *argv),
            environment={MARKER: f"{os.getpid()}-{os.urandom(4).hex()}"},
            fds=(status_write, *(screen.child_fds if screen else ())),
        )
        os.close(status_write)
        if screen is not None:
            screen.started()
        ended = _wait(pid, wakeup, received, screen)
        # Before the status is read: what is left may hold the other end open.
        kill_all()
        told = os.read(status_read, 1) if wait_readable((status_read,), 0) else b""
    finally:
        kill_all()
        reap()
        if screen is not None:
            screen.finish()
        shutil.rmtree(folder, ignore_errors=True)
    if received:
        return 128 + received[0]
    if told:
        return told[0]
    how = f"signal {-ended} ({signal.strsignal(-ended)})" if ended < 0 else f"exit status {ended}"
    print(f"{prog}: the model's process ended with {how} before it was done.", file=sys.stderr)
    return _FAILED


def _wait(pid: int, wakeup: int, received: list[int], screen: ScreenForChild | None = None) -> int:
    """Wait for the child and return how it ended."""
    kill_at: float | None = None
    is_killed = False
    while True:
        for ended, status in reap():
            if ended == pid:
                return status
        if received and kill_at is None:
            kill_at = time.monotonic() + _GRACE_S
            os.kill(pid, signal.SIGTERM)
        if (kill_at is not None and not is_killed) and (
            len(received) > 1 or time.monotonic() >= kill_at
        ):
            is_killed = True
            kill_group(pid, signal.SIGKILL)
        timeout_s = None
        if kill_at is not None and not is_killed:
            timeout_s = kill_at - time.monotonic()
        wait_readable((wakeup, *(screen.fds if screen else ())), timeout_s)
        drain(wakeup)
        if screen is not None:
            screen.pump()
