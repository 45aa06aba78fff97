# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which servers that share a state directory are alive.

Each holds a lock on a file of its own. The lock is of the BSD kind (flock(2)): it belongs to the
open file, so that two servers in one process are two, and the kernel frees it however a server
ends.
"""

import fcntl
import os
import uuid
from pathlib import Path


class ServerPresence:
    """This server's place among those that share a state directory; its methods block briefly."""

    def __init__(self, folder: Path) -> None:
        """Announce this server.

        Raises:
            OSError: The folder cannot be written.
        """
        self.id = uuid.uuid4().hex
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Locked before it has its name: nobody ever sees it without its lock.
        unnamed = folder / f"{self.id}.tmp"
        self._fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(self._path(self.id))
        for other in folder.glob("*.lock"):
            self.is_alive(other.stem)  # removes what a killed server left

    def _path(self, server: str) -> Path:
        return self._folder / f"{server}.lock"

    def is_alive(self, server: str | None) -> bool:
        """Whether a server still holds its place; the file of one that does not is removed."""
        if server == self.id:
            return True
        if server is None:
            return False
        try:
            fd = os.open(self._path(server), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._path(server).unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)

    def close(self) -> None:
        """Leave."""
        self._path(self.id).unlink(missing_ok=True)
        os.close(self._fd)
