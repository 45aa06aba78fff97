# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of versions in the SQLite file of the jobs."""

import sqlite3
from datetime import datetime

from deepaas.errors import Conflict, VersionNotFound
from deepaas.store.sqlite_database import SqliteDatabase, execute
from deepaas.store.sqlite_file import read_transaction
from deepaas.store.versions import (
    Candidates,
    ModelVersion,
    VersionCandidate,
    VersionChoice,
    Versions,
    VersionState,
    busy,
    previous_of,
    state_of,
)


class SqliteVersionStore:
    """A :class:`~deepaas.store.versions.VersionStore`; whoever opened the database closes it."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def promote(
        self, model: str, job: str, *, server: str, by: str | None, now: datetime
    ) -> ModelVersion:
        """Make a job's version a candidate; see :meth:`VersionStore.promote`."""

        def step(connection: sqlite3.Connection) -> ModelVersion:
            values = {"model": model, "job": job, "now": now, "by": by}
            execute(connection, "add_version", values)
            row = execute(connection, "version_of_job", {"job": job}).fetchone()
            return _propose(connection, model, int(row["number"]), server)

        return await self._database.write(step)

    async def restore(self, model: str, number: int | None, *, server: str) -> ModelVersion:
        """Make a version that is there a candidate; see :meth:`VersionStore.restore`."""

        def step(connection: sqlite3.Connection) -> ModelVersion:
            wanted = previous_of(_choice(connection, model)) if number is None else number
            return _propose(connection, model, wanted, server)

        return await self._database.write(step)

    async def serve(self, model: str, *, server: str, now: datetime) -> VersionChoice:
        """Choose a server's candidate; see :meth:`VersionStore.serve`."""

        def step(connection: sqlite3.Connection) -> VersionChoice:
            candidate = _candidate(connection, model)
            if candidate is None or candidate.server != server:
                raise Conflict(f"The model {model!r} has no candidate of this server.")
            values = {"model": model, "number": candidate.number, "now": now}
            execute(connection, "remove_candidate", {"model": model, "server": server})
            execute(connection, "add_choice", {"model": model})
            execute(connection, "choose_version", values)
            execute(connection, "note_served", values)
            return _choice(connection, model)

        return await self._database.write(step)

    async def drop(self, model: str, number: int, *, server: str, reason: str) -> None:
        """Note why a candidate is not served; see :meth:`VersionStore.drop`."""

        def step(connection: sqlite3.Connection) -> None:
            candidate = _candidate(connection, model)
            if candidate is None or (candidate.number, candidate.server) != (number, server):
                return
            execute(connection, "remove_candidate", {"model": model, "server": server})
            values = {"model": model, "number": number, "reason": reason}
            execute(connection, "note_reason", values)

        await self._database.write(step)

    async def list(self, model: str) -> Versions:
        """Return the versions of a model; see :meth:`VersionStore.list`."""

        def step(connection: sqlite3.Connection) -> Versions:
            with read_transaction(connection):
                rows = execute(connection, "list_versions", {"model": model}).fetchall()
                choice, candidate = _choice(connection, model), _candidate(connection, model)
            found = [_version(row, choice, candidate) for row in rows]
            return [*found, _package(model, choice, candidate)]

        return await self._database.read(step)

    async def get(self, model: str, number: int) -> ModelVersion:
        """Return a version; see :meth:`VersionStore.get`."""

        def step(connection: sqlite3.Connection) -> ModelVersion:
            with read_transaction(connection):
                return _get(connection, model, number)

        return await self._database.read(step)

    async def choice(self, model: str) -> VersionChoice:
        """Return which version is to be served; see :meth:`VersionStore.choice`."""
        return await self._database.read(lambda connection: _choice(connection, model))

    async def choices(self) -> dict[str, VersionChoice]:
        """Return every choice; see :meth:`VersionStore.choices`."""

        def step(connection: sqlite3.Connection) -> dict[str, VersionChoice]:
            rows = execute(connection, "list_choices", {})
            return {row["model"]: VersionChoice(**row) for row in rows}

        return await self._database.read(step)

    async def candidates(self) -> Candidates:
        """Return every candidate; see :meth:`VersionStore.candidates`."""

        def step(connection: sqlite3.Connection) -> Candidates:
            return [VersionCandidate(**row) for row in execute(connection, "list_candidates", {})]

        return await self._database.read(step)

    async def is_promoted(self, job: str) -> bool:
        """Tell whether a job was promoted; see :meth:`VersionStore.is_promoted`."""

        def step(connection: sqlite3.Connection) -> bool:
            return execute(connection, "is_promoted", {"job": job}).fetchone() is not None

        return await self._database.read(step)


def _propose(connection: sqlite3.Connection, model: str, number: int, server: str) -> ModelVersion:
    """Make a version a candidate, unless it is served."""
    there = _candidate(connection, model)
    if there is not None:
        raise busy(there)
    version = _get(connection, model, number)
    if version.state is VersionState.SERVED:
        return version
    values = {"model": model, "number": number, "server": server}
    execute(connection, "add_candidate", values)
    return _get(connection, model, number)


def _get(connection: sqlite3.Connection, model: str, number: int) -> ModelVersion:
    choice, candidate = _choice(connection, model), _candidate(connection, model)
    if number == 0:
        return _package(model, choice, candidate)
    row = execute(connection, "get_version", {"model": model, "number": number}).fetchone()
    if row is None:
        raise VersionNotFound(model, number)
    return _version(row, choice, candidate)


def _choice(connection: sqlite3.Connection, model: str) -> VersionChoice:
    row = execute(connection, "get_choice", {"model": model}).fetchone()
    return VersionChoice(model) if row is None else VersionChoice(**row)


def _candidate(connection: sqlite3.Connection, model: str) -> VersionCandidate | None:
    row = execute(connection, "get_candidate", {"model": model}).fetchone()
    return None if row is None else VersionCandidate(**row)


def _package(model: str, choice: VersionChoice, candidate: VersionCandidate | None) -> ModelVersion:
    state = state_of(0, choice=choice, candidate=candidate, was_served=True)
    return ModelVersion(model, 0, state)


def _version(
    row: sqlite3.Row, choice: VersionChoice, candidate: VersionCandidate | None
) -> ModelVersion:
    number = int(row["number"])
    return ModelVersion(
        row["model"],
        number,
        state_of(number, choice=choice, candidate=candidate, was_served=row["served"] is not None),
        job=row["job"],
        promoted=datetime.fromisoformat(row["promoted"]),
        promoted_by=row["promoted_by"],
        reason=row["reason"],
    )
