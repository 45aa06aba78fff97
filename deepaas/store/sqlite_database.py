# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One SQLite file and the thread that works on it, shared by the stores of a server.

All statements of a server run on one thread of its own, one step after the other, so that the event
loop never blocks and no two steps share a transaction. On a file system that machines share, the
file is kept without a write-ahead log: slower, and as safe as that file system's locks.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from deepaas.errors import StorageFull, StorageUnavailable
from deepaas.finishing import finished
from deepaas.store.base import storable
from deepaas.store.queries import queries
from deepaas.store.reserve import SpaceReserve
from deepaas.store.sqlite_file import (
    BUSY_TIMEOUT_S,
    converted_errors,
    open_database,
    write_transaction,
)

T = TypeVar("T")


class SqliteDatabase:
    """Runs steps on one SQLite file.

    Use it from one event loop. :meth:`open` makes one; whoever opens it closes it.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        """Prepare a database that :meth:`open` will connect; nothing is opened yet."""
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        #: Used on the thread only.
        self._reserve = SpaceReserve(path.with_name(f"{path.name}-reserve"))
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        #: Made, used and closed on the thread only.
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Self:
        """Open the file, made if missing, its schema brought up to date.

        Args:
            path: The database file. A missing folder is made with mode 0700, the file with 0600.
            busy_timeout_s: How long a step waits for another process that is writing.

        Raises:
            ConfigurationError: A newer version wrote the file.
            StorageUnavailable: The file cannot be used; the message says why.
        """
        database = cls(Path(path), busy_timeout_s=busy_timeout_s)
        try:
            await database._on_thread(database._connect)
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step in a transaction that holds the write lock from its start; return its result.

        Raises:
            StorageFull: No space is left; nothing was changed.
            StorageUnavailable: The file cannot be used, or is closed; nothing was changed.
        """
        return await self.read(partial(_in_transaction, step))

    async def make_space(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step that lets space be made; as :meth:`write`, and on a full disk too.

        Raises:
            StorageFull: No space is left, nor is what was reserved for this enough.
            StorageUnavailable: As :meth:`write`.
        """

        def in_reserve(connection: sqlite3.Connection) -> T:
            self._reserve.give_up()
            return _in_transaction(step, connection)

        try:
            return await self.write(step)
        except StorageFull:
            return await self.read(in_reserve)

    async def read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step without a transaction; return its result.

        Raises:
            StorageUnavailable: The file cannot be used, or is closed.
        """
        if self._is_closed:
            raise StorageUnavailable(f"The job store {self.path} is closed.")

        def run() -> T:
            result = step(self._opened())
            self._reserve.hold()  # where it was given up, and there is space again
            return result

        return await self._on_thread(run)

    async def close(self) -> None:
        """Finish what was begun and close the file. May be repeated."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._on_thread(self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        """Do all of the work, even if the caller is cancelled meanwhile."""

        def converted() -> T:
            with converted_errors(self.path):
                return work()

        return await finished(asyncio.wrap_future(self._thread.submit(converted)))

    def _connect(self) -> None:
        self._connection = open_database(self.path, busy_timeout_s=self._busy_timeout_s)
        self._reserve.hold()

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "open() makes the database"
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _in_transaction(step: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    with write_transaction(connection):
        return step(connection)


def execute(
    connection: sqlite3.Connection, query: str, values: Mapping[str, object]
) -> sqlite3.Cursor:
    """Run a named query of ``sql/queries.sql`` with its parameters, times as text in UTC."""
    stored = {name: _stored(value) for name, value in values.items()}
    return connection.execute(queries()[query], stored)


def _stored(value: object) -> object:
    value = storable(value)
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
