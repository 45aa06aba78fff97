# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of versions in SQLite keeps the contract, and what it keeps survives."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deepaas.errors import StorageUnavailable
from deepaas.store.sqlite_database import SqliteDatabase
from deepaas.store.sqlite_versions import SqliteVersionStore
from deepaas.store.versions import VersionChoice, VersionStore
from deepaas.testing import NOON, VersionStoreContract


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[SqliteVersionStore]:
    database = await SqliteDatabase.open(tmp_path / "jobs.sqlite")
    try:
        yield SqliteVersionStore(database)
    finally:
        await database.close()


class TestSqliteVersionStore(VersionStoreContract):
    """The contract, on a file that both servers open."""

    @asynccontextmanager
    async def open_store(self, tmp_path: Path) -> AsyncIterator[VersionStore]:
        """Open the file."""
        async with opened(tmp_path) as store:
            yield store


def test_the_choice_is_there_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as store:
            await store.promote("cat", "job-1", server="a", by=None, now=NOON)
            chosen = await store.serve("cat", server="a", now=NOON)
        async with opened(tmp_path) as store:
            assert await store.choice("cat") == chosen == VersionChoice("cat", 1, "job-1", 0, 1)
        with pytest.raises(StorageUnavailable):
            await store.choice("cat")

    asyncio.run(main())


def test_who_looks_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "jobs.sqlite"
        database = await SqliteDatabase.open(path, busy_timeout_s=0.01)
        writer = sqlite3.connect(path, isolation_level=None)
        try:
            store = SqliteVersionStore(database)
            await store.promote("cat", "job-1", server="a", by=None, now=NOON)
            writer.execute("BEGIN IMMEDIATE")
            listed = await store.list("cat")
            assert [version.number for version in listed] == [1, 0]
            assert await store.get("cat", 1) == listed[0]
        finally:
            writer.close()
            await database.close()

    asyncio.run(main())
