# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a store of files promises, whatever keeps them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from deepaas.errors import RemoteFailed


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a store."""

    #: Within the store, with ``/`` between its parts and none at either end.
    path: str
    bytes: int
    #: When it was changed in the store last, aware; ``None`` where nobody knows.
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a store that does not answer gets, in seconds."""

    connect_s: float = 10.0
    #: Without a byte in either direction.
    stall_s: float = 60.0


class FileStore(Protocol):
    """Files in folders; every method blocks, and one thread at a time uses a store.

    **Paths** have ``/`` between their parts and none at either end; the empty path is the top. What
    :meth:`find` returns is as the store has it: it may be no path that is safe to write to, see
    :func:`safe_parts`.

    **Wholeness.** Nobody sees a file half written under its name, also when the line breaks or this
    process is killed.

    **Time.** Nothing takes longer than the :class:`Limits` without a byte going to or fro.

    **Errors.** Every method raises :class:`~deepaas.errors.RemoteFailed`; its message names the
    reason and the remedy, and holds no secret. Nothing is tried twice here.
    """

    def check(self, path: str) -> None:
        """Prove that the store can be reached and takes who asks, and that the path exists."""
        ...

    def find(self, path: str) -> tuple[StoredFile, ...]:
        """Return all files below a folder, or the one file that the path names, by path.

        Raises:
            RemoteFailed: There is nothing there, ``is_missing``; or another reason.
        """
        ...

    def fetch(self, path: str, target: Path) -> None:
        """Write the content of a file to a local one, which exists and is empty.

        Args:
            path: Of a file, as :meth:`find` returned it.
            target: After a failure its content is undefined.
        """
        ...

    def put(self, source: Path, path: str) -> None:
        """Keep a copy of a local file; folders are made, what was there is replaced."""
        ...

    def close(self) -> None:
        """Let go of connections and processes; may be called twice."""
        ...


def safe_parts(path: str) -> list[str]:
    """Return the parts of a path that stays below where it starts.

    Raises:
        RemoteFailed: It does not: it has an empty part, ``.`` or ``..``, or a NUL.
    """
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in path:
        raise RemoteFailed(f"{path!r} is no name for a file below a folder; it is left out.")
    return parts
