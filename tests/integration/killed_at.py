# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run ``deepaas-run`` so that it kills itself before or after one of the writes of a promotion.

``python -m tests.integration.killed_at before|after WRITE python -m deepaas.cmd.run …``; a write is
a method of the store of versions, or ``seal``.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from deepaas.cmd import run
from deepaas.service import version_changes
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

    def killed(*args: Any) -> None:
        if when == "before":
            die()
        write(*args)
        die()

    return killed


if __name__ == "__main__":
    when, what = sys.argv[1:3]
    if what == "seal":
        home: Any = version_changes
        home.seal = killing_in_thread(when, home.seal)
    else:
        setattr(SqliteVersionStore, what, killing(when, getattr(SqliteVersionStore, what)))
    sys.exit(run.main(sys.argv[6:]))
