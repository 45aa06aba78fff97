# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which jobs have ended, in which order, and what they take."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from deepaas.records import JobEnd, JobState
from deepaas.store.queries import migrations
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.sqlite_ended import EndedJob, EndedTotal, Lane, SqliteEndedJobs
from deepaas.store.sqlite_file import migrate
from deepaas.store.sqlite_versions import SqliteVersionStore
from deepaas.testing import NOON, make_job


def trainings(model: str) -> Lane:
    return Lane(model, "train")


class Stores(NamedTuple):
    jobs: SqliteJobStore
    ended: SqliteEndedJobs
    versions: SqliteVersionStore

    async def end(self, number: int, after_s: float, model: str = "cat") -> str:
        """Add a job that ended so long after noon, and return its id."""
        job = await self.jobs.add(make_job(number, model=model))
        moment = NOON + timedelta(seconds=after_s)
        await self.jobs.finish(job.id, JobEnd(JobState.DONE, moment))
        return job.id

    async def oldest(self, *models: str, before_s: float = 1e6, limit: int = 9) -> list[str]:
        before = NOON + timedelta(seconds=before_s)
        lanes = [trainings(model) for model in models]
        return [job.id for job in await self.ended.oldest(lanes, before=before, limit=limit)]


@asynccontextmanager
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    jobs = await SqliteJobStore.open(tmp_path / "jobs.sqlite")
    try:
        yield Stores(jobs, SqliteEndedJobs(jobs.database), SqliteVersionStore(jobs.database))
    finally:
        await jobs.close()


async def test_the_oldest_of_several_models_in_order_of_their_ends(tmp_path: Path) -> None:
    async with stores(tmp_path) as s:
        last, first = await s.end(1, 30), await s.end(2, 10)
        between, other = await s.end(3, 20, "dog"), await s.end(4, 5, "cow")
        await s.jobs.add(make_job(5))
        assert await s.oldest("cat", "dog") == [first, between, last]
        assert await s.oldest("cat", "dog", limit=2) == [first, between]
        assert await s.oldest("cat", "dog", before_s=20) == [first]
        assert await s.oldest("cow") == [other]
        left = await s.ended.oldest(
            [trainings("cat")], before=NOON + timedelta(days=1), limit=9, excluded=[first]
        )
        assert left == [EndedJob(NOON + timedelta(seconds=30), last, trainings("cat"), None)]


async def test_hidden_jobs_count_and_those_that_have_not_ended_do_not(tmp_path: Path) -> None:
    async with stores(tmp_path) as s:
        hidden = await s.end(1, 10)
        await s.jobs.hide(hidden, NOON)
        running = await s.jobs.add(make_job(2))
        await s.jobs.claim(
            running.id, server="a", models=["cat"], kinds=["train"], slots=1, now=NOON
        )
        assert await s.oldest("cat") == [hidden]
        assert await s.ended.totals(["cat", "dog"]) == {trainings("cat"): EndedTotal(1, 0)}


async def test_what_was_promoted_is_no_candidate_for_removal(tmp_path: Path) -> None:
    async with stores(tmp_path) as s:
        served, tried, failed, plain = [await s.end(number, number) for number in range(1, 5)]
        await s.versions.promote("cat", served, server="a", by=None, now=NOON)
        await s.versions.serve("cat", server="a", now=NOON)
        await s.versions.promote("cat", failed, server="a", by=None, now=NOON)
        await s.versions.drop("cat", 2, server="a", reason="no")
        await s.versions.promote("cat", tried, server="a", by=None, now=NOON)
        assert await s.oldest("cat") == [failed, plain]
        assert (await s.ended.totals(["cat"]))[trainings("cat")].jobs == 2
        await s.versions.serve("cat", server="a", now=NOON)
        assert await s.oldest("cat") == [failed, plain]


async def test_what_jobs_take_is_noted_once(tmp_path: Path) -> None:
    async with stores(tmp_path) as s:
        one, two = await s.end(1, 1), await s.end(2, 2)
        three = await s.end(3, 3, "dog")
        models = ["cat", "dog"]
        assert set(await s.ended.unmeasured(models, limit=9)) == {one, two, three}
        assert len(await s.ended.unmeasured(models, limit=2)) == 2
        await s.ended.note_disk_bytes({one: 10, two: 20, "gone": 7})
        assert await s.ended.unmeasured(models, limit=9) == [three]
        assert (await s.ended.totals(models))[trainings("cat")] == EndedTotal(2, 30)
        found = await s.ended.oldest([trainings("cat")], before=NOON + timedelta(days=1), limit=9)
        assert [job.disk_bytes for job in found] == [10, 20]
        await s.ended.note_disk_bytes({one: 15})
        assert (await s.ended.totals(models))[trainings("cat")] == EndedTotal(2, 35)
        await s.versions.promote("cat", two, server="a", by=None, now=NOON)
        assert (await s.ended.totals(models))[trainings("cat")] == EndedTotal(1, 15)
        await s.jobs.remove(one)
        await s.jobs.remove(three)
        assert await s.ended.totals(models) == {
            trainings("cat"): EndedTotal(0, 0),
            trainings("dog"): EndedTotal(0, 0),
        }


def test_what_had_ended_before_is_counted(tmp_path: Path) -> None:
    """A file of an older version has jobs already."""
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as connection:
        migrate(connection, [step for step in migrations() if step.version < 6])
        for number, finished in enumerate([None, "2026-01-01", "2026-01-02"]):
            connection.execute(
                "INSERT INTO jobs (id, kind, model, state, created, arguments, attempt, finished)"
                " VALUES (?, 'train', 'cat', ?, '2026', '{}', 1, ?)",
                (str(number), "done" if finished else "queued", finished),
            )
        migrate(connection, migrations())

    async def main() -> None:
        async with stores(tmp_path) as s:
            assert await s.ended.totals(["cat"]) == {trainings("cat"): EndedTotal(2, 0)}
            assert sorted(await s.ended.unmeasured(["cat"], limit=9)) == ["1", "2"]

    asyncio.run(main())
