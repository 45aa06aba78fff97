# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The job store in a SQLite file, for any number of server processes on one machine.

The file and its thread are those of :class:`~deepaas.store.sqlite_database.SqliteDatabase`.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Final, Self, cast

from deepaas.errors import JobNotFound, KeyReused
from deepaas.records import IdempotencyKey, Job, JobEnd, JobPlace, JobState
from deepaas.store.base import LONGEST_DELAY, Jobs, require_ended, require_final, require_new
from deepaas.store.sqlite_database import SqliteDatabase, execute
from deepaas.store.sqlite_file import BUSY_TIMEOUT_S, read_transaction

_COLUMNS: Final = tuple(field.name for field in fields(Job))
_TIMES: Final = frozenset({"created", "started", "finished", "hidden_at", "not_before"})
#: Text that sorts before, and behind, every time and every id.
_BEFORE_ALL: Final = ""
_BEHIND_ALL: Final = "~"
#: What the jobs of a lane agree in.
_LANE: Final = ("model", "kind", "state", "is_hidden")
#: What lets every lane through.
_ALL_LANES: Final = {"model": None, "kind": None, "states": None, "include_hidden": True}


class SqliteJobStore:
    """A :class:`~deepaas.store.base.JobStore` in one SQLite file.

    Use it from one event loop. :meth:`open` makes one; whoever opens it closes it.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        """Keep jobs in a database that is open; :meth:`close` closes it."""
        self.database = database

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Self:
        """Open the store, made if missing; see :meth:`SqliteDatabase.open`."""
        return cls(await SqliteDatabase.open(path, busy_timeout_s=busy_timeout_s))

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Keep a new job; see :meth:`JobStore.add`."""
        require_new(job)
        values = {column: getattr(job, column) for column in _COLUMNS}

        def step(connection: sqlite3.Connection) -> Job:
            earlier = None if key is None else _find(connection, key)
            if earlier is not None:
                return earlier
            if not execute(connection, "add_job", values).rowcount:
                require_new(job, known=_get(connection, job.id))
            if key is not None:
                kept = {**_named(key), "fingerprint": key.fingerprint, "job": job.id}
                execute(connection, "keep_key", kept)
            return _get(connection, job.id)

        return await self.database.write(step)

    async def find(self, key: IdempotencyKey) -> Job | None:
        """Return the job that was added with a key; see :meth:`JobStore.find`."""

        def step(connection: sqlite3.Connection) -> Job | None:
            with read_transaction(connection):
                return _find(connection, key)

        return await self.database.read(step)

    async def get(self, job_id: str) -> Job:
        """Return the job as it is now; see :meth:`JobStore.get`."""
        return await self.database.read(lambda connection: _get(connection, job_id))

    async def list(
        self,
        model: str | None = None,
        *,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        owner: str | None = None,
        include_hidden: bool = False,
        oldest_first: bool = False,
        after: JobPlace | None = None,
        limit: int = 1000,
        with_results: bool = True,
    ) -> Jobs:
        """Return the first jobs in order; see :meth:`JobStore.list`."""
        lanes = {
            "model": model,
            "kind": kind,
            "states": None if states is None else json.dumps(sorted(states)),
            "include_hidden": include_hidden,
        }
        start = _BEFORE_ALL if oldest_first else _BEHIND_ALL
        place = {
            "owner": owner,
            "after_created": start if after is None else after.created,
            "after_id": start if after is None else after.id,
            # SQLite takes a negative number for no limit.
            "limit": max(limit, 0),
        }

        def step(connection: sqlite3.Connection) -> Jobs:
            with read_transaction(connection):
                return [
                    _get(connection, job_id, "get_job" if with_results else "get_job_in_list")
                    for job_id in _first(connection, lanes, place, oldest_first=oldest_first)
                ]

        return await self.database.read(step)

    async def next_queued(
        self, models: Sequence[str], slots: int, *, kinds: Sequence[str], now: datetime
    ) -> Job | None:
        """Return a candidate for :meth:`claim`; see :meth:`JobStore.next_queued`."""
        found = await self._jobs("next_queued_job", _startable(models, kinds, slots, now))
        return found[0] if found else None

    async def claim(
        self,
        job_id: str,
        *,
        server: str,
        models: Sequence[str],
        kinds: Sequence[str],
        slots: int,
        now: datetime,
    ) -> Job | None:
        """Make a queued job running if a slot is free; see :meth:`JobStore.claim`."""
        values = {"server": server, **_startable(models, kinds, slots, now)}
        is_changed, job = await self._change("claim_job", job_id, values)
        return job if is_changed else None

    async def unclaim(
        self,
        job_id: str,
        *,
        server: str,
        not_before: datetime | None = None,
        message: str | None = None,
    ) -> Job | None:
        """Put a running job back into the queue; see :meth:`JobStore.unclaim`."""
        values = {"server": server, "not_before": not_before, "message": message}
        is_changed, job = await self._change("unclaim_job", job_id, values)
        return job if is_changed else None

    async def adopt(self, job_id: str, *, old_server: str | None, server: str) -> Job | None:
        """Become the follower of a running job; see :meth:`JobStore.adopt`."""
        values = {"old_server": old_server, "server": server}
        is_changed, job = await self._change("adopt_job", job_id, values)
        return job if is_changed else None

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Record how a job ended, once; see :meth:`JobStore.finish`."""
        require_final(end)
        values = {field.name: getattr(end, field.name) for field in fields(JobEnd)}
        _, job = await self._change("finish_job", job_id, values)
        return job

    async def hide(self, job_id: str, now: datetime) -> Job:
        """Take a job out of the contract's view; see :meth:`JobStore.hide`."""
        _, job = await self._change("hide_job", job_id, {"now": now})
        return job

    async def remove(self, job_id: str) -> None:
        """Forget a job that has ended; see :meth:`JobStore.remove`."""

        def step(connection: sqlite3.Connection) -> None:
            if not execute(connection, "remove_job", {"id": job_id}).rowcount:
                require_ended(_get(connection, job_id))
            execute(connection, "remove_keys", {"id": job_id})

        await self.database.make_space(step)

    async def running(self) -> Jobs:
        """Return every running job; see :meth:`JobStore.running`."""
        return await self._jobs("running_jobs", {})

    async def latest_evaluations(self, model: str) -> Jobs:
        """Return the last evaluation of each version; see :meth:`JobStore.latest_evaluations`."""

        def step(connection: sqlite3.Connection) -> Jobs:
            with read_transaction(connection):
                found = execute(connection, "latest_evaluations", {"model": model}).fetchall()
                return [_get(connection, row["id"], "get_job_in_list") for row in found]

        return await self.database.read(step)

    async def is_evaluating(self, model: str, version: int) -> bool:
        """Tell whether a version is being evaluated; see :meth:`JobStore.is_evaluating`."""
        values = {"model": model, "version": version}
        return await self.database.read(
            lambda connection: execute(connection, "is_evaluating", values).fetchone() is not None
        )

    async def count_by_state(
        self, model: str | None = None, *, kind: str | None = None
    ) -> dict[JobState, int]:
        """Return how many jobs are in each state; see :meth:`JobStore.count_by_state`."""
        lanes = _ALL_LANES | {"model": model, "kind": kind}

        def step(connection: sqlite3.Connection) -> dict[JobState, int]:
            counts = Counter(dict.fromkeys(JobState, 0))
            for lane in execute(connection, "job_lanes", lanes):
                counts[JobState(lane["state"])] += lane["jobs"]
            return dict(counts)

        return await self.database.read(step)

    async def check(self) -> None:
        """Prove, by writing, that a job could be kept now; see :meth:`JobStore.check`."""
        # Two transactions: within one, the pages taken would be given back without being written.
        await self.database.write(lambda connection: execute(connection, "write_check", {}))
        await self.database.write(lambda connection: execute(connection, "remove_check", {}))

    async def close(self) -> None:
        """Finish what was begun and close the file. May be repeated."""
        await self.database.close()

    async def _jobs(self, query: str, values: Mapping[str, object]) -> Jobs:
        return await self.database.read(
            lambda connection: [_job(row) for row in execute(connection, query, values)]
        )

    async def _change(
        self, query: str, job_id: str, values: Mapping[str, object]
    ) -> tuple[bool, Job]:
        """Run an update of one job; return whether it matched, and the job after it."""

        def step(connection: sqlite3.Connection) -> tuple[bool, Job]:
            is_changed = execute(connection, query, {"id": job_id, **values}).rowcount == 1
            return is_changed, _get(connection, job_id)

        return await self.database.write(step)


def _get(connection: sqlite3.Connection, job_id: str, query: str = "get_job") -> Job:
    row = execute(connection, query, {"id": job_id}).fetchone()
    if row is None:
        raise JobNotFound(job_id)
    return _job(row)


def _first(
    connection: sqlite3.Connection,
    lanes: Mapping[str, object],
    place: Mapping[str, object],
    *,
    oldest_first: bool,
) -> list[str]:
    """Return the ids of the first jobs of these lanes behind a place; reads no other row."""
    if place["owner"] is None:
        query = "oldest_in_lane" if oldest_first else "newest_in_lane"
    else:
        query = "oldest_in_lane_of_owner" if oldest_first else "newest_in_lane_of_owner"
    found = [
        execute(connection, query, {**place, **{key: lane[key] for key in _LANE}})
        for lane in execute(connection, "job_lanes", lanes).fetchall()
    ]
    in_order = merge(*found, key=lambda row: (row["created"], row["id"]), reverse=not oldest_first)
    return [row["id"] for row in islice(in_order, cast("int", place["limit"]))]


def _find(connection: sqlite3.Connection, key: IdempotencyKey) -> Job | None:
    row = execute(connection, "find_key", _named(key)).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        raise KeyReused(key.key)
    return _get(connection, row["job"])


def _named(key: IdempotencyKey) -> dict[str, str]:
    return {"owner": key.owner or "", "model": key.model, "kind": key.kind, "key": key.key}


def _job(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = {column: row[column] for column in _COLUMNS}
    for column in _TIMES:
        if values[column] is not None:
            values[column] = datetime.fromisoformat(values[column])
    made = {"state": JobState(values["state"]), "resumable": bool(values["resumable"])}
    return Job(**values | made)


def _startable(
    models: Sequence[str], kinds: Sequence[str], slots: int, now: datetime
) -> dict[str, object]:
    """Return the parameters that say which jobs a server may start."""
    return {
        "models": json.dumps(sorted(models)),
        "kinds": json.dumps(sorted(kinds)),
        "slots": slots,
        "now": now,
        "latest": now + LONGEST_DELAY,
    }
