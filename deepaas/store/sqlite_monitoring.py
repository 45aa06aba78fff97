# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of what was seen in the SQLite file of the jobs."""

import json
import math
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from deepaas.store.monitoring import AHEAD, Seen, Series, Step
from deepaas.store.sqlite_database import SqliteDatabase, execute


class SqliteMonitoringStore:
    """A :class:`~deepaas.store.monitoring.MonitoringStore`; who opened the database closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def add(self, seen: Sequence[Seen], *, now: datetime) -> None:
        """Add what was seen; see :meth:`MonitoringStore.add`."""

        def write(connection: sqlite3.Connection) -> None:
            for each in seen:
                for step in Step:
                    _put(connection, each, step)
            for model in sorted({each.model for each in seen}):
                for step in Step:
                    _forget(connection, model, step, now)

        await self._database.write(write)

    async def read(
        self, model: str, step: Step, *, since: datetime, until: datetime, limit: int
    ) -> Series:
        """Return the pieces of a span; see :meth:`MonitoringStore.read`."""
        values = {
            "model": model,
            "step": step.seconds,
            "since": math.ceil(since.timestamp()),
            "until": math.ceil(until.timestamp()),
            # SQLite takes a negative number for no limit.
            "limit": max(limit, 0),
        }

        def rows(connection: sqlite3.Connection) -> Series:
            return [_seen(row) for row in execute(connection, "list_seen", values)]

        return (await self._database.read(rows))[::-1]


def _put(connection: sqlite3.Connection, seen: Seen, step: Step) -> None:
    """Put what was seen with what is there of the same piece."""
    begins = step.floor(seen.time)
    key = {"model": seen.model, "step": step.seconds, "time": int(begins.timestamp())}
    row = execute(connection, "get_seen", key).fetchone()
    piece = seen.at(begins) if row is None else _seen(row).plus(seen)
    values = {
        "samples": piece.samples,
        "ready": piece.ready,
        "requests": json.dumps(piece.requests),
        # Without inf, which JSON does not have.
        "latencies": json.dumps({str(bound): count for bound, count in piece.latencies.items()}),
        "latency_sum": piece.latency_sum_s,
        "jobs": json.dumps(piece.jobs),
    }
    execute(connection, "put_seen", key | values)


def _forget(connection: sqlite3.Connection, model: str, step: Step, now: datetime) -> None:
    span = {
        "oldest": math.ceil((now - step.kept).timestamp()),
        "newest": int((now + AHEAD).timestamp()),
    }
    execute(connection, "forget_seen", {"model": model, "step": step.seconds, **span})


def _seen(row: sqlite3.Row) -> Seen:
    return Seen(
        model=row["model"],
        time=datetime.fromtimestamp(row["time"], UTC),
        samples=row["samples"],
        ready=row["ready"],
        requests=json.loads(row["requests"]),
        latencies={float(bound): n for bound, n in json.loads(row["latencies"]).items()},
        latency_sum_s=row["latency_sum"],
        jobs=json.loads(row["jobs"]),
    )
