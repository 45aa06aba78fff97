# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files behind fsspec: what its file systems share; each kind is a module of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepaas.errors import RemoteFailed
from deepaas.storage.base import Limits, StoredFile
from deepaas.storage.faults import Reason, causes, failure, network_reason
from deepaas.storage.parts import is_part
from deepaas.storage.remotes import Remote

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class FsspecFileStore(ABC):
    """The files of one of fsspec's file systems, which is used by nobody else."""

    def __init__(self, remote: Remote, limits: Limits, files: "AbstractFileSystem") -> None:
        self._remote = remote
        self._limits = limits
        self._files = files

    @abstractmethod
    def _fetch(self, path: str, target: Path) -> None:
        """Write a file to a local one."""

    @abstractmethod
    def _put(self, source: Path, path: str) -> None:
        """Replace a file, whole; make its folder."""

    @abstractmethod
    def _reason(self, exc: BaseException) -> Reason | None:
        """Return what an exception of the kind's client means, ``None`` if it is none of those."""

    def check(self, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            self._files.info(path)

    def find(self, path: str) -> tuple[StoredFile, ...]:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            info = self._files.info(path)
            if info["type"] != "directory":
                return (_stored(path, info),)
            found = self._files.find(path, detail=True)
            # In S3 a name with a slash behind it stands for a folder that somebody has made.
            names = (name for name in sorted(found) if not (is_part(name) or name.endswith("/")))
            return tuple(_stored(name, found[name]) for name in names)

    def fetch(self, path: str, target: Path) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            self._fetch(path, target)

    def put(self, source: Path, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        with self._explained(path):
            self._put(source, path)
            kept, sent = self._files.info(path)["size"], source.stat().st_size
        if kept != sent:
            raise failure(
                self._remote, self._limits, Reason.BROKEN, path, f"{kept} of {sent} bytes are there"
            )

    @abstractmethod
    def close(self) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            raise self._explain(exc, path) from exc

    def _explain(self, exc: Exception, path: str) -> RemoteFailed:
        reason, detail = self._reason(exc) or network_reason(exc), ""
        if reason is None and any(isinstance(each, FileNotFoundError) for each in causes(exc)):
            reason = Reason.MISSING
        if reason is None:
            said = " ".join(str(exc).split()).rstrip(".")
            reason, detail = Reason.UNKNOWN, f"{type(exc).__name__}: {said}"
        return failure(self._remote, self._limits, reason, path, detail)


def _stored(path: str, info: dict[str, Any]) -> StoredFile:
    modified = info.get("modified") or info.get("LastModified")
    return StoredFile(path.strip("/"), info["size"] or 0, modified)
