# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The job store in a SQLite file, for any number of server processes on one machine.

All statements of a server run on one thread of its own, one step after the other, so that the event
loop never blocks and no two steps share a transaction. On a file system that machines share, the
file is kept without a write-ahead log: slower, and as safe as that file system's locks.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from deepaas.errors import JobNotFound, StorageUnavailable
from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import Jobs, require_final, require_new, storable
from deepaas.store.queries import queries
from deepaas.store.sqlite_file import (
    BUSY_TIMEOUT_S,
    converted_errors,
    open_database,
    write_transaction,
)

T = TypeVar("T")

_COLUMNS: Final = tuple(field.name for field in fields(Job))
_TIMES: Final = frozenset({"created", "started", "finished", "hidden_at"})


class SqliteJobStore:
    """A :class:`~deepaas.store.base.JobStore` in one SQLite file.

    Use it from one event loop. :meth:`open` makes one; whoever opens it closes it.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        """Prepare a store that :meth:`open` will connect; nothing is opened yet."""
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="job-store")
        #: Made, used and closed on the thread only.
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    @classmethod
    async def open(
        cls, path: str | os.PathLike[str], *, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Self:
        """Open the store, made if missing, its schema brought up to date.

        Args:
            path: The database file. A missing folder is made with mode 0700, the file with 0600.
            busy_timeout_s: How long a step waits for another process that is writing.

        Raises:
            ConfigurationError: A newer version wrote the file.
            StorageUnavailable: The file cannot be used; the message says why.
        """
        store = cls(Path(path), busy_timeout_s=busy_timeout_s)
        try:
            await store._on_thread(store._connect)
        except BaseException:
            await store.close()
            raise
        return store

    async def add(self, job: Job) -> None:
        """Keep a new job; see :meth:`JobStore.add`."""
        require_new(job)
        values = {column: getattr(job, column) for column in _COLUMNS}

        def step(connection: sqlite3.Connection) -> None:
            if not _execute(connection, "add_job", values).rowcount:
                require_new(job, known=_get(connection, job.id))

        await self._write(step)

    async def get(self, job_id: str) -> Job:
        """Return the job as it is now; see :meth:`JobStore.get`."""
        return await self._read(lambda connection: _get(connection, job_id))

    async def list(
        self,
        model: str | None = None,
        *,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        include_hidden: bool = False,
        limit: int = 1000,
    ) -> Jobs:
        """Return the newest jobs, newest first; see :meth:`JobStore.list`."""
        values = {
            "model": model,
            "kind": kind,
            "states": None if states is None else json.dumps(sorted(states)),
            "include_hidden": include_hidden,
            # SQLite takes a negative number for no limit.
            "limit": max(limit, 0),
        }
        return await self._jobs("list_jobs" if model is None else "list_jobs_of_model", values)

    async def next_queued(self, models: Sequence[str], slots: int) -> Job | None:
        """Return a candidate for :meth:`claim`; see :meth:`JobStore.next_queued`."""
        values = {"models": json.dumps(sorted(models)), "slots": slots}
        found = await self._jobs("next_queued_job", values)
        return found[0] if found else None

    async def claim(
        self, job_id: str, *, server: str, models: Sequence[str], slots: int, now: datetime
    ) -> Job | None:
        """Make a queued job running if a slot is free; see :meth:`JobStore.claim`."""
        values = {
            "server": server,
            "models": json.dumps(sorted(models)),
            "slots": slots,
            "now": now,
        }
        is_changed, job = await self._change("claim_job", job_id, values)
        return job if is_changed else None

    async def unclaim(self, job_id: str, *, server: str) -> Job | None:
        """Put a running job back into the queue; see :meth:`JobStore.unclaim`."""
        is_changed, job = await self._change("unclaim_job", job_id, {"server": server})
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

    async def running(self) -> Jobs:
        """Return every running job; see :meth:`JobStore.running`."""
        return await self._jobs("running_jobs", {})

    async def count_by_state(self, model: str | None = None) -> dict[JobState, int]:
        """Return how many jobs are in each state; see :meth:`JobStore.count_by_state`."""

        def step(connection: sqlite3.Connection) -> dict[JobState, int]:
            rows = _execute(connection, "count_jobs_by_state", {"model": model})
            found = {JobState(row["state"]): int(row["jobs"]) for row in rows}
            return {state: found.get(state, 0) for state in JobState}

        return await self._read(step)

    async def check(self) -> None:
        """Prove, by writing, that a job could be kept now; see :meth:`JobStore.check`."""
        # Two transactions: within one, the pages taken would be given back without being written.
        await self._write(lambda connection: _execute(connection, "write_check", {}))
        await self._write(lambda connection: _execute(connection, "remove_check", {}))

    async def close(self) -> None:
        """Finish what was begun and close the file. May be repeated."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._on_thread(self._disconnect)
        finally:
            self._thread.shutdown(wait=False)

    async def _jobs(self, query: str, values: Mapping[str, object]) -> Jobs:
        return await self._read(
            lambda connection: [_job(row) for row in _execute(connection, query, values)]
        )

    async def _change(
        self, query: str, job_id: str, values: Mapping[str, object]
    ) -> tuple[bool, Job]:
        """Run an update of one job; return whether it matched, and the job after it."""

        def step(connection: sqlite3.Connection) -> tuple[bool, Job]:
            is_changed = _execute(connection, query, {"id": job_id, **values}).rowcount == 1
            return is_changed, _get(connection, job_id)

        return await self._write(step)

    async def _write(self, step: Callable[[sqlite3.Connection], T]) -> T:
        def in_transaction(connection: sqlite3.Connection) -> T:
            with write_transaction(connection):
                return step(connection)

        return await self._read(in_transaction)

    async def _read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        if self._is_closed:
            raise StorageUnavailable(f"The job store {self.path} is closed.")
        return await self._on_thread(lambda: step(self._opened()))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        """Do all of the work, even if the caller is cancelled meanwhile."""

        def converted() -> T:
            with converted_errors(self.path):
                return work()

        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(converted)))

    def _connect(self) -> None:
        self._connection = open_database(self.path, busy_timeout_s=self._busy_timeout_s)

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "open() makes the store"
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _execute(
    connection: sqlite3.Connection, query: str, values: Mapping[str, object]
) -> sqlite3.Cursor:
    stored = {name: _stored(value) for name, value in values.items()}
    return connection.execute(queries()[query], stored)


def _get(connection: sqlite3.Connection, job_id: str) -> Job:
    row = _execute(connection, "get_job", {"id": job_id}).fetchone()
    if row is None:
        raise JobNotFound(job_id)
    return _job(row)


def _job(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = {column: row[column] for column in _COLUMNS}
    for column in _TIMES:
        if values[column] is not None:
            values[column] = datetime.fromisoformat(values[column])
    return Job(**values | {"state": JobState(values["state"])})


def _stored(value: object) -> object:
    value = storable(value)
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
