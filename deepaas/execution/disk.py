# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a folder takes on its disk, and what is free there. Blocking functions."""

import os
import shutil
from pathlib import Path
from typing import Final

from deepaas.errors import StorageFull

#: The unit of ``st_blocks`` on Linux (stat(2)).
_BLOCK_BYTES: Final = 512


def used_bytes(folder: Path) -> int:
    """Return what a folder and all that is below it take on the disk.

    Holes in files take nothing, links are not followed, and what cannot be looked at counts for
    nothing; a folder that is not there takes nothing.
    """
    paths = [os.fspath(folder)]
    for parent, folders, files in os.walk(folder):
        paths += (os.path.join(parent, name) for name in (*folders, *files))
    return sum(_allocated(path) for path in paths)


def _allocated(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * _BLOCK_BYTES
    except OSError:
        return 0  # removed meanwhile


def free_in(folder: Path) -> int:
    """Return how many bytes are free on the disk of a folder, for users other than root.

    Raises:
        OSError: The folder cannot be looked at.
    """
    return shutil.disk_usage(folder).free


def require_free(folder: Path, least_bytes: int) -> None:
    """Refuse what would be written where too little is free.

    Args:
        folder: On the disk in question.
        least_bytes: What must be free for users other than root; 0: anything does.

    Raises:
        StorageFull: Less is free.
        OSError: The folder cannot be looked at.
    """
    if not least_bytes:
        return
    free_bytes = free_in(folder)
    if free_bytes < least_bytes:
        raise StorageFull(
            f"{free_bytes:,} bytes are free in {folder}, and new jobs are taken from"
            f" {least_bytes:,} on: make space, or lower the option --jobs-min-free."
        )
