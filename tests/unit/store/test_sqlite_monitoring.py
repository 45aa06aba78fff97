# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of what was seen in SQLite keeps the contract, and what it keeps survives."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from deepaas.errors import StorageUnavailable
from deepaas.store.monitoring import MonitoringStore, Seen, Series, Step
from deepaas.store.sqlite_database import SqliteDatabase
from deepaas.store.sqlite_monitoring import SqliteMonitoringStore
from deepaas.testing import NOON, MonitoringStoreContract


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[SqliteMonitoringStore]:
    database = await SqliteDatabase.open(tmp_path / "jobs.sqlite")
    try:
        yield SqliteMonitoringStore(database)
    finally:
        await database.close()


class TestSqliteMonitoringStore(MonitoringStoreContract):
    """The contract, on a file that both servers open."""

    @asynccontextmanager
    async def open_store(self, tmp_path: Path) -> AsyncIterator[MonitoringStore]:
        """Open the file."""
        async with opened(tmp_path) as store:
            yield store


def test_a_history_is_there_after_a_restart(tmp_path: Path) -> None:
    """And once the store is closed, every method says that it cannot be used."""

    async def read(store: MonitoringStore) -> Series:
        before, after = NOON - timedelta(days=1), NOON + timedelta(days=1)
        return await store.read("cat", Step.MINUTE, since=before, until=after, limit=9)

    async def main() -> None:
        async with opened(tmp_path) as store:
            await store.add([Seen("cat", NOON, latencies={math.inf: 2})], now=NOON)
        async with opened(tmp_path) as store:
            (minute,) = await read(store)
            assert minute.latencies == {math.inf: 2}
        with pytest.raises(StorageUnavailable):
            await read(store)
        with pytest.raises(StorageUnavailable):
            await store.add([Seen("cat", NOON)], now=NOON)

    asyncio.run(main())
