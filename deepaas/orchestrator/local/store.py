# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The deployments in a SQLite file: what was answered for is on disk."""

import asyncio
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from deepaas.errors import ConfigurationError, StorageUnavailable
from deepaas.finishing import finished
from deepaas.orchestrator.local.records import Deployment, Running, Status

T = TypeVar("T")

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE deployments (
    uuid TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    document TEXT NOT NULL
)
"""
_PUT: Final = """
INSERT INTO deployments (uuid, created, document) VALUES (:uuid, :created, :document)
ON CONFLICT (uuid) DO UPDATE SET document = excluded.document
"""
_NEWEST_FIRST: Final = "SELECT document FROM deployments ORDER BY created DESC, uuid DESC"
_OLDEST_FIRST: Final = "SELECT document FROM deployments ORDER BY created, uuid"


class DeploymentStore:
    """Keeps deployments; opened by :meth:`open`, and closed by whoever opened it.

    Use it from one event loop. Every method raises
    :class:`~deepaas.errors.StorageUnavailable` where the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare a store in a folder; nothing is opened yet."""
        self._path = folder / "deployments.sqlite"
        self._lock_fd = -1
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deployments")
        #: Made, used and closed on the thread only.
        self._connection: sqlite3.Connection

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Open the store of a folder, made if missing, for this process alone.

        Raises:
            ConfigurationError: Another orchestrator keeps its state there, or a newer one did.
        """
        store = cls(folder)
        try:
            await store._do(store._connect)
        except BaseException:
            store._thread.shutdown()
            store._unlock()
            raise
        return store

    async def close(self) -> None:
        """Finish what was begun, and close the file."""
        await self._do(lambda: self._connection.close())
        self._thread.shutdown()
        self._unlock()

    async def put(self, deployment: Deployment) -> None:
        """Keep a deployment as it is now; it is on disk on return."""
        values = {
            "uuid": deployment.uuid,
            "created": deployment.created.isoformat(),
            "document": json.dumps(asdict(deployment), default=datetime.isoformat),
        }
        await self._do(lambda: self._connection.execute(_PUT, values))

    async def get(self, uuid: str) -> Deployment | None:
        """Return a deployment, ``None`` if there is none of that name."""
        query = "SELECT document FROM deployments WHERE uuid = ?"
        found = await self._do(lambda: self._connection.execute(query, (uuid,)).fetchone())
        return None if found is None else _deployment(found[0])

    async def all(self, *, newest_first: bool = False) -> list[Deployment]:
        """Return every deployment in the order of their creation."""
        query = _NEWEST_FIRST if newest_first else _OLDEST_FIRST
        rows = await self._do(lambda: self._connection.execute(query).fetchall())
        return [_deployment(document) for (document,) in rows]

    async def _do(self, step: Callable[[], T]) -> T:
        def converted() -> T:
            try:
                return step()
            except (sqlite3.Error, OSError) as exc:
                raise StorageUnavailable(
                    f"The deployments in {self._path} cannot be used: {exc}."
                ) from exc

        return await finished(asyncio.wrap_future(self._thread.submit(converted)))

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock()
        # Templates and parameters hold secrets: the file is its owner's alone.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ConfigurationError(
                    f"{self._path} was written by a newer DEEPaaS; take another --state-dir."
                )
            if version < _VERSION:
                connection.executescript(
                    f"BEGIN; {_SCHEMA}; PRAGMA user_version = {_VERSION}; COMMIT"
                )
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _lock(self) -> None:
        path = self._path.with_name("lock")
        self._lock_fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError(
                f"Another orchestrator runs with {path.parent}; take another --state-dir."
            ) from exc

    def _unlock(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)


def _deployment(document: str) -> Deployment:
    values: dict[str, Any] = json.loads(document)
    values["status"] = Status(values["status"])
    for name in ("created", "updated"):
        values[name] = datetime.fromisoformat(values[name])
    values["processes"] = tuple(Running(**each) for each in values["processes"])
    return Deployment(**values)
