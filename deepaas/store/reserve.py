# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Some space of the disk that is given up when the disk is full, so that what makes space can run.

To remove an entry SQLite writes first: on a full disk, without this, nothing could be removed.
Everything here blocks.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Some hundred pages of SQLite's; the removal of an entry writes about ten.
_RESERVED_BYTES: Final = 1024 * 1024


class SpaceReserve:
    """A file that only takes space. Servers on one disk may share it."""

    def __init__(self, path: Path) -> None:
        """Take nothing yet.

        Args:
            path: The file.
        """
        self._path = path
        self._is_held = False

    def hold(self) -> None:
        """Take the space, unless it is taken already; where there is too little, take nothing."""
        if self._is_held:
            return
        try:
            fd = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _RESERVED_BYTES)
            finally:
                os.close(fd)
        except OSError:
            self.give_up()  # a part of it helps nobody; another try comes
        else:
            self._is_held = True

    def give_up(self) -> None:
        """Let others have the space, until :meth:`hold` is called again."""
        self._is_held = False
        with suppress(OSError):
            self._path.unlink()
