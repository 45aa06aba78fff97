# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Remove a job's directory so that a crash leaves all of it, or nothing that anybody sees.

It is renamed first, in one step, and removed when the job's record is gone. What a crash leaves of
it in between goes at the next start. Everything here blocks.
"""

import logging
import shutil
from pathlib import Path
from typing import Final

from deepaas.execution.jobdir import JobDirectory

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".removed"


class SetAside:
    """A job's directory that is about to be removed."""

    def __init__(self, directory: JobDirectory) -> None:
        """Set the directory aside; that it is gone already is no error.

        Raises:
            OSError: It cannot be renamed.
        """
        self._path = directory.path
        self._aside = directory.path.with_name(directory.path.name + _SUFFIX)
        try:
            self._path.rename(self._aside)
        except FileNotFoundError:
            pass

    def put_back(self) -> None:
        """Let everything be as it was."""
        try:
            self._aside.rename(self._path)
        except FileNotFoundError:
            pass

    def remove(self) -> None:
        """Remove it for good; what cannot be removed now goes at the next start."""
        _remove(self._aside)


def sweep_removed(folder: Path) -> None:
    """Remove what earlier servers had set aside."""
    for path in folder.glob(f"*{_SUFFIX}"):
        _remove(path)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.warning(
            "%s cannot be removed: %s.", path, exc.strerror, extra={"action": "job_left"}
        )
