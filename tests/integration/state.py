# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A state directory as it is seen without a server: the store's rows, and who changed them."""

import asyncio
import json
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.journal import last_progress
from deepaas.execution.processes import marked
from deepaas.records import CallInput, Job, JobState, ModelSource, SourceKind
from deepaas.store.sqlite import SqliteJobStore
from tests.integration.harness import MODELS

_NOTE_MOVES = """
CREATE TABLE moves (id TEXT, state TEXT, running INTEGER);
CREATE TRIGGER note_move AFTER UPDATE OF state ON jobs BEGIN
    INSERT INTO moves SELECT NEW.id, NEW.state, count(*) FROM jobs WHERE state = 'running';
END;
"""


class State:
    """Reads a state directory, and writes what only a crash would leave there."""

    def __init__(self, path: Path) -> None:
        """Make it, with a store that notes every change of a state."""
        self.path = path
        self._database = path / "jobs.sqlite"
        asyncio.run(self._make())
        with closing(sqlite3.connect(self._database)) as connection:
            connection.executescript(_NOTE_MOVES)

    async def _make(self) -> None:
        await (await SqliteJobStore.open(self._database)).close()

    def _read(self, query: str, *values: object) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self._database)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()

    def row(self, job: str) -> dict[str, Any]:
        """Return what the store says of a job."""
        return dict(self._read("SELECT * FROM jobs WHERE id = ?", job)[0])

    def jobs(self) -> list[str]:
        """Return the ids of all jobs."""
        return [row["id"] for row in self._read("SELECT id FROM jobs")]

    def count(self, state: str) -> int:
        """Return how many jobs the store has in this state."""
        return int(self._read("SELECT count(*) FROM jobs WHERE state = ?", state)[0][0])

    def is_final(self, job: str) -> bool:
        """Whether the store knows the job's end."""
        return JobState(self.row(job)["state"]).is_final

    def moves(self, job: str) -> list[str]:
        """Return every state that a job ever moved to."""
        found = self._read("SELECT state FROM moves WHERE id = ? ORDER BY rowid", job)
        return [row["state"] for row in found]

    def most_running(self) -> int:
        """Return how many jobs ran at once at most."""
        return int(self._read("SELECT max(running) FROM moves")[0][0])

    def directory(self, job: str) -> JobDirectory:
        """Return a job's directory."""
        return JobDirectory(self.path / "jobs" / job)

    def has_reported(self, job: str) -> bool:
        """Whether the training's function runs, or ran, and told how far it is."""
        return last_progress(self.directory(job).events) is not None

    def processes(self, job: str) -> list[int]:
        """Return the training's process and all that it started, wherever they are now."""
        return marked(job)

    def claimed_by_nobody(self, model: str, *, has_begun: bool, **arguments: str) -> str:
        """Leave what a server killed after its claim leaves, with the guard killed as well.

        Args:
            model: Name of a file in ``models``.
            has_begun: Whether the guard had been told to begin.
            arguments: Of the training.

        Returns:
            The job's id.
        """
        source = ModelSource(model, SourceKind.FILE, str(MODELS / f"{model}.py"))
        now = datetime.now(UTC)
        job = Job(
            id=uuid.uuid4().hex,
            kind="train",
            model=model,
            state=JobState.QUEUED,
            created=now,
            arguments=json.dumps(arguments),
        )
        directory = self.directory(job.id)
        call = JobCall(source, CallInput(query=tuple(arguments.items())), warm=True)
        directory.create(call.dump())
        if has_begun:
            directory.begin(1)
        asyncio.run(self._claim(job, now))
        return job.id

    async def _claim(self, job: Job, now: datetime) -> None:
        store = await SqliteJobStore.open(self._database)
        await store.add(job)
        await store.claim(
            job.id,
            server=uuid.uuid4().hex,
            models=[job.model],
            kinds=[job.kind],
            slots=99,
            now=now,
        )
        await store.close()
