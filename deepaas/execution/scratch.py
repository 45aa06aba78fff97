# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Folders for what lives no longer than a process."""

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from deepaas.errors import ConfigurationError

#: In memory, and writable in most containers whose file system is not.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - private folders are made in it

logger = logging.getLogger(__name__)


def temporary_folder(
    find: Callable[[], str] = tempfile.gettempdir, fallback: Path = SHARED_MEMORY
) -> Path:
    """Return the folder for temporary files: the system's, or the shared memory without one.

    Args:
        find: Gives the system's, or raises FileNotFoundError.
        fallback: Taken where there is none.

    Raises:
        ConfigurationError: Neither can be written.
    """
    try:
        return Path(find())
    except FileNotFoundError as exc:
        if os.access(fallback, os.W_OK | os.X_OK):
            logger.warning(
                "There is no folder for temporary files: %s. They lie in %s, in memory; name a"
                " folder with the environment variable TMPDIR, or give the container a /tmp.",
                *(exc.strerror, fallback),
                extra={"action": "no_temporary_folder"},
            )
            return fallback
        raise ConfigurationError(
            f"There is no folder for temporary files: {exc.strerror}, and {fallback} cannot be"
            " written either. Name one with the environment variable TMPDIR."
        ) from exc


def make_scratch(parent: Path | None = None, *, prefix: str = "deepaas-") -> Path:
    """Make a folder that only this user may enter; the caller removes it.

    Args:
        parent: Where; ``None``: the folder for temporary files.
        prefix: Of its name.

    Raises:
        ConfigurationError: No folder for temporary files can be written.
        OSError: It cannot be made, as on a full disk.
    """
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent or temporary_folder()))
