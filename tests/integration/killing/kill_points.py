# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Lets a process kill itself before or after one of its writes; imported by ``sitecustomize``.

Every process of a server that writes to the store or to a job's directory passes points, each named
by the process's role, by what it is about to do or has just done, and by how often it did so
before. The points are listed in one file; at the point that the environment names, the first
process that comes there kills itself.
"""

import functools
import inspect
import itertools
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "KILLING_FOLDER"
POINT = "KILLING_POINT"

_ROLES = {
    "tests.integration.killable": "server",
    "deepaas.execution.job_guard": "guard",
    "deepaas.execution.worker": "training",
}
_passed: Counter[str] = Counter()
_lock = threading.Lock()


def install() -> None:
    """Wrap what this process writes with, if it is one of a server that is to be killed."""
    role = next((role for name, role in _ROLES.items() if name in sys.orig_argv), None)
    if FOLDER not in os.environ or role is None:
        return
    if role != "server":
        role = _numbered(role)
    from deepaas.execution import attempts, jobdir

    attempts._FIRST_DELAY_S = 0.05
    # The steps within a write: the file is complete, has its name, and is durable.
    for owner, names in (
        (jobdir, ("_write_durably", "sync_directory")),
        (jobdir.JobDirectory, ("note_state",)),
        (os, ("link",)),
        (Path, ("rename",)),
    ):
        _wrap(role, owner, names)
    if role == "server":
        from deepaas.execution import jobs, submission
        from deepaas.store.sqlite import SqliteJobStore

        jobs._LOOK_S = 0.05
        _wrap(role, SqliteJobStore, ("add", "claim", "unclaim", "adopt", "finish"))
        _wrap(role, submission, ("_mark", "_sync", "forget"))


def _numbered(role: str) -> str:
    """Return the role with the number of the process: each attempt has processes of its own."""
    for number in itertools.count(1):
        if _is_first(f"{role}-{number}"):
            return f"{role}-{number}"
    raise AssertionError


def _wrap(role: str, owner: Any, names: tuple[str, ...]) -> None:
    for name in names:
        function = getattr(owner, name)
        wrap = _wrapped_coroutine if inspect.iscoroutinefunction(function) else _wrapped
        setattr(owner, name, wrap(f"{role} {name}", function))


def _wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        number = _count(name)
        _pass(f"{name} {number} before")
        result = function(*args, **kwargs)
        _pass(f"{name} {number} after")
        return result

    return call


def _wrapped_coroutine(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        number = _count(name)
        _pass(f"{name} {number} before")
        result = await function(*args, **kwargs)
        _pass(f"{name} {number} after")
        return result

    return call


def _count(name: str) -> int:
    with _lock:
        _passed[name] += 1
        return _passed[name]


def _pass(point: str) -> None:
    with open(os.path.join(os.environ[FOLDER], "points"), "a") as file:
        file.write(f"{point}\n")
    if os.environ.get(POINT) == point and _is_first("killed"):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_first(what: str) -> bool:
    path = os.path.join(os.environ[FOLDER], what)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
