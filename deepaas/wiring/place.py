# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the state is kept: the directory that was named, the usual one, or one for this run only.

A container may have no home directory that can be written, and trains all the same.
"""

import asyncio
import logging
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from deepaas.config import Settings
from deepaas.execution.jobdir import NO_SPACE, JobDirectory
from deepaas.execution.scratch import make_scratch
from deepaas.service.pushing import unpushed

logger = logging.getLogger(__name__)

#: What a state directory holds.
_CONTENT = ("jobs", "servers", "jobs.sqlite")


async def find_state_dir(settings: Settings, stack: AsyncExitStack, scratch: Path) -> Path:
    """Return the state directory; one that nobody named and that cannot be written is replaced.

    The replacement goes when the stack is closed, unless something still needs it.

    Args:
        settings: They name a directory, or the usual one.
        stack: Closed after whatever uses the directory.
        scratch: Folder that takes a replacement.
    """
    usual = settings.state_dir
    problem = None
    if not settings.state_dir_is_named:
        problem = await asyncio.to_thread(_problem, usual)
    if problem is None:
        return usual
    private = await asyncio.to_thread(make_scratch, scratch, prefix="deepaas-state-")
    logger.warning(
        "The usual state directory %s cannot be used: %s. Trainings, what they make and which"
        " versions are served are kept in %s instead, and are lost when the server ends; name a"
        " directory that stays, such as one on a volume, with --state-dir.",
        *(usual, problem, private),
        extra={"action": "state_dir_replaced"},
    )
    stack.push_async_callback(asyncio.to_thread, _leave, private)
    return private


def _problem(folder: Path) -> str | None:
    """Make the folder, and say why it cannot be written, ``None`` if it can.

    A full disk is no reason: it may have space later, and holds the history.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        return None if exc.errno in NO_SPACE else exc.strerror or str(exc)
    for name in _CONTENT:
        # What another user made in a folder that this one may write, or a link to nowhere.
        path = folder / name
        if os.path.lexists(path) and not os.access(path, os.R_OK | os.W_OK):
            return f"{name} in it cannot be read and written"
    return None


def _leave(folder: Path) -> None:
    """Remove the directory, but for what a training or a remote still needs."""
    jobs = folder / "jobs"
    if any(_lives(JobDirectory(path)) for path in jobs.glob("*")):
        why = "trainings go on there"
    elif unpushed(jobs):
        why = "artifacts there were not pushed"
    else:
        shutil.rmtree(folder, ignore_errors=True)
        return
    logger.warning(
        "The state directory %s is left behind: %s. A server started with --state-dir %s goes on"
        " with it.",
        *(folder, why, folder),
        extra={"action": "state_dir_left"},
    )


def _lives(directory: JobDirectory) -> bool:
    try:
        lock = directory.lock()
    except OSError:  # set aside, and removed meanwhile
        return False
    if lock is None:
        return True
    os.close(lock)
    return False
