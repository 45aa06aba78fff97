# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Remove a job's directory so that a crash leaves all of it, or nothing that anybody sees.

It is renamed first, in one step, and removed when the job's record is gone. Its name tells which
server does so; what a killed one leaves is put back or goes at the next start, as its record is
there or not. Everything here blocks, but for :func:`sweep_removed`.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deepaas.errors import JobNotFound
from deepaas.execution.jobdir import JobDirectory
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".removed"


class SetAside:
    """A job's directory that is about to be removed."""

    def __init__(self, directory: JobDirectory, server: str) -> None:
        """Set the directory aside; that it is gone already is no error.

        Args:
            directory: Of the job.
            server: Id of the server that does so.

        Raises:
            OSError: It cannot be renamed.
        """
        self._path = directory.path
        self._aside = directory.path.with_name(f"{directory.path.name}.{server}{_SUFFIX}")
        #: What another request has set aside is neither put back nor removed here.
        self._is_ours = self._take()

    def _take(self) -> bool:
        try:
            self._path.rename(self._aside)
        except FileNotFoundError:
            return False
        return True

    def put_back(self) -> None:
        """Let everything be as it was."""
        if self._is_ours:
            _put_back(self._aside, self._path)
        self._is_ours = False

    def remove(self) -> None:
        """Remove it for good, since its record is gone; what cannot go now, goes at a later start.

        What another request had set aside may be back by now: that one failed, and goes on to look
        whether the record is there. Whoever is later of the two removes the directory.

        Raises:
            OSError: It cannot be renamed.
        """
        if self._is_ours or self._take():
            _remove(self._aside)


async def sweep_removed(folder: Path, store: JobStore, *, is_alive: Callable[[str], bool]) -> None:
    """Remove what servers that are gone had set aside, or put it back if its record is there.

    Args:
        folder: Holds a directory for each job.
        store: Knows the jobs.
        is_alive: Tells whether a server is.

    Raises:
        StorageUnavailable: The store cannot be asked.
    """
    for aside in await asyncio.to_thread(_abandoned, folder, is_alive):
        path = aside.with_name(aside.name.partition(".")[0])
        try:
            await store.get(path.name)
        except JobNotFound:
            await asyncio.to_thread(_remove, aside)
        else:
            await asyncio.to_thread(_put_back, aside, path)


def _abandoned(folder: Path, is_alive: Callable[[str], bool]) -> list[Path]:
    found = folder.glob(f"*{_SUFFIX}")
    return [path for path in found if not is_alive(_server_of(path))]


def _server_of(aside: Path) -> str:
    return aside.name.removesuffix(_SUFFIX).partition(".")[2]


def _put_back(aside: Path, path: Path) -> None:
    try:
        aside.rename(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.warning(
            "%s cannot be put back: %s.", aside, exc.strerror, extra={"action": "job_left"}
        )


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.warning(
            "%s cannot be removed: %s.", path, exc.strerror, extra={"action": "job_left"}
        )
