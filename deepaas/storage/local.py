# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files in a folder of this machine: what is mounted here, as one more remote."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deepaas.errors import RemoteFailed
from deepaas.storage.base import StoredFile
from deepaas.storage.parts import look_below
from deepaas.whole import written_whole


class LocalFileStore:
    """The files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            (self._folder / path).stat()

    def find(self, path: str) -> tuple[StoredFile, ...]:
        """See :class:`~deepaas.storage.base.FileStore`."""
        top = self._folder / path
        with self._explained(path):
            if stat.S_ISREG(top.stat().st_mode):
                return (self._stored(path),)
            prefix = f"{path}/" if path else ""
            return tuple(self._stored(prefix + name) for name in look_below(top).files)

    def _stored(self, path: str) -> StoredFile:
        status = (self._folder / path).stat()
        return StoredFile(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def fetch(self, path: str, target: Path) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            shutil.copyfile(self._folder / path, target)

    def put(self, source: Path, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        target = self._folder / path
        with self._explained(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(target) as temporary:
                shutil.copyfile(source, temporary)

    def close(self) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            place = os.path.join(self._folder, path)
            is_missing = isinstance(exc, FileNotFoundError)
            raise RemoteFailed(f"{place!r}: {exc.strerror}.", is_missing=is_missing) from exc
