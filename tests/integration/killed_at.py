# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run ``deepaas-run`` so that it kills itself before or after one of its writes.

``python -m tests.integration.killed_at before|after WRITE python -m deepaas.cmd.run …``; a write is
a method of the store of versions, or ``seal``, of a promotion; ``add``, ``claim``, ``begin``,
``keep``, ``decide`` or ``finish`` of a queued prediction.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from deepaas.cmd import run
from deepaas.execution import answers
from deepaas.execution.jobdir import JobDirectory
from deepaas.service import version_changes
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.sqlite_versions import SqliteVersionStore


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killing(when: str, write: Callable[..., Any]) -> Callable[..., Any]:
    """Return a write of the store that ends the process at its time."""

    async def killed(*args: Any, **options: Any) -> Any:
        if when == "before":
            die()
        await write(*args, **options)
        die()

    return killed


def killing_in_thread(when: str, write: Callable[..., Any]) -> Callable[..., Any]:
    """Return a write of a thread that ends the process at its time."""

    def killed(*args: Any, **options: Any) -> None:
        if when == "before":
            die()
        write(*args, **options)
        die()

    return killed


HOMES: Mapping[str, tuple[Any, Callable[..., Any]]] = {
    "seal": (version_changes, killing_in_thread),
    "keep": (answers, killing_in_thread),
    "begin": (JobDirectory, killing_in_thread),
    "decide": (JobDirectory, killing_in_thread),
    **dict.fromkeys(("add", "claim", "finish"), (SqliteJobStore, killing)),
}


if __name__ == "__main__":
    when, what = sys.argv[1:3]
    home, kill = HOMES.get(what, (SqliteVersionStore, killing))
    setattr(home, what, kill(when, getattr(home, what)))
    sys.exit(run.main(sys.argv[6:]))
