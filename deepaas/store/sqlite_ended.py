# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The jobs that have ended and may be removed, by age and by what they take on the disk.

A job whose artifacts are a version of its model, served, served once or a candidate, is none of
them: it cannot be removed.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import NamedTuple

from deepaas.store.sqlite_database import SqliteDatabase, execute
from deepaas.store.sqlite_file import read_transaction


class Lane(NamedTuple):
    """The jobs that are counted together."""

    model: str
    kind: str


class EndedJob(NamedTuple):
    """What is to be known of a job that has ended."""

    #: When it ended, UTC; first, since jobs are ordered by it.
    finished: datetime
    id: str
    lane: Lane
    #: What its directory takes on the disk, ``None`` while that was not measured.
    disk_bytes: int | None


class EndedTotal(NamedTuple):
    """All the ended jobs of a lane."""

    jobs: int
    #: Of those that were measured.
    disk_bytes: int


class SqliteEndedJobs:
    """Looks at the ended jobs in the SQLite file of the jobs; its owner closes the database.

    Its methods raise :class:`~deepaas.errors.StorageUnavailable` where the file cannot be used.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def totals(self, models: Collection[str]) -> dict[Lane, EndedTotal]:
        """Return the lanes of these models in which jobs ever ended, and what is in them."""

        def step(connection: sqlite3.Connection) -> dict[Lane, EndedTotal]:
            with read_transaction(connection):
                return {
                    _lane(row): EndedTotal(row["jobs"], row["disk_bytes"])
                    for model in models
                    for row in execute(connection, "ended_totals", {"model": model})
                }

        return await self._database.read(step)

    async def oldest(
        self,
        lanes: Collection[Lane],
        *,
        before: datetime,
        limit: int,
        excluded: Collection[str] = (),
    ) -> list[EndedJob]:
        """Return the jobs of these lanes that ended first.

        Args:
            lanes: Their lanes.
            before: Only jobs that ended before this time.
            limit: At most so many.
            excluded: Ids of jobs to leave out.
        """
        excluded = frozenset(excluded)  # as it is now: the step runs on another thread

        def step(connection: sqlite3.Connection) -> list[EndedJob]:
            values = {"before": before, "excluded": json.dumps([*excluded]), "limit": limit}
            with read_transaction(connection):
                found = [
                    [
                        _job(row)
                        for row in execute(connection, "oldest_ended", values | lane._asdict())
                    ]
                    for lane in lanes
                ]
            return list(islice(merge(*found), limit))

        return await self._database.read(step)

    async def unmeasured(self, models: Collection[str], *, limit: int) -> list[str]:
        """Return ids of ended jobs of which it is not known what they take, at most so many."""

        def step(connection: sqlite3.Connection) -> list[str]:
            found: list[str] = []
            for model in models:
                values = {"model": model, "limit": limit - len(found)}
                found += [row["id"] for row in execute(connection, "unmeasured_jobs", values)]
            return found

        return await self._database.read(step)

    async def note_disk_bytes(self, sizes: Mapping[str, int]) -> None:
        """Note what jobs take on the disk; one that was removed meanwhile stays so.

        On a full disk too: it tells which jobs are to be removed.
        """

        def step(connection: sqlite3.Connection) -> None:
            for job_id, size in sizes.items():
                execute(connection, "note_disk_bytes", {"id": job_id, "bytes": size})

        await self._database.make_space(step)


def _lane(row: sqlite3.Row) -> Lane:
    return Lane(row["model"], row["kind"])


def _job(row: sqlite3.Row) -> EndedJob:
    finished = datetime.fromisoformat(row["finished"])
    return EndedJob(finished, row["id"], _lane(row), row["disk_bytes"])
