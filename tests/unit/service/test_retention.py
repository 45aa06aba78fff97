# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Jobs that have ended go, the oldest first, when limits say so; all others stay."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import Conflict, StorageFull, StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.model.registry import ModelRegistry
from deepaas.records import Job, JobEnd, JobState
from deepaas.service import JobService, Switching, VersionService
from deepaas.service.removing import remove_ended
from deepaas.service.retention import Retention, RetentionLimits
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.sqlite_ended import SqliteEndedJobs
from deepaas.store.sqlite_versions import SqliteVersionStore
from deepaas.testing import NOON, make_job
from tests.unit.parts import until

MODELS = ("cat", "dog")
HOUR = timedelta(hours=1)
MIB = 1024 * 1024


class Scene:
    """Jobs in a real store with real directories, and a clock that stands at noon."""

    def __init__(self, store: SqliteJobStore, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.versions = SqliteVersionStore(store.database)
        #: Ids of jobs whose removal fails, and how often it was tried.
        self.broken: dict[str, int] = {}
        self.error: Exception = OSError(13, "Permission denied")

    def retention(self, server: str = "a", **limits: Any) -> Retention:
        registry = ModelRegistry()
        versions = VersionService(
            registry,
            {},
            Switching({}, in_place=False),
            JobService(registry, {}, is_enabled=True),
        )
        # The rest of it is not asked.
        versions._store, versions._job_store = self.versions, self.store
        removing = partial(remove_ended, server=server, store=self.store, versions=versions)

        async def remove(directory: JobDirectory) -> bool:
            if directory.path.name in self.broken:
                self.broken[directory.path.name] += 1
                raise self.error
            return await removing(directory)

        return Retention(
            SqliteEndedJobs(self.store.database),
            self.folder,
            models=MODELS,
            limits=RetentionLimits(**limits),
            remove=remove,
            now=lambda: NOON,
        )

    async def add(self, number: int, model: str = "cat", size: int = 0, kind: str = "train") -> Job:
        job = await self.store.add(make_job(number, model=model, kind=kind))
        directory = JobDirectory(self.folder / job.id)
        directory.create(b"{}")
        (directory.artifacts / "m.bin").write_bytes(os.urandom(size))
        return job

    async def end(
        self, number: int, ago: timedelta, model: str = "cat", *, size: int = 0, kind: str = "train"
    ) -> str:
        """Add a job that ended so long before noon."""
        job = await self.add(number, model, size, kind)
        await self.store.finish(job.id, JobEnd(JobState.DONE, NOON - ago))
        return job.id

    async def left(self) -> list[str]:
        """Return the ids of the jobs whose record is there; their directories must be too."""
        jobs = await self.store.list(include_hidden=True, oldest_first=True)
        found = [job.id for job in jobs]
        assert sorted(found) == sorted(os.listdir(self.folder))
        return found


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    store = await SqliteJobStore.open(tmp_path / "jobs.sqlite")
    (tmp_path / "jobs").mkdir()
    try:
        yield Scene(store, tmp_path / "jobs")
    finally:
        await store.close()


async def test_without_limits_nothing_is_removed_or_looked_at(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        job = await s.end(1, timedelta(days=10_000))
        retention = s.retention()
        retention.start()
        retention.on_end(await s.store.get(job))
        await retention.look()
        await retention.close()
        assert await s.left() == [job]
        assert not RetentionLimits().is_on


async def test_what_ended_too_long_ago_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with scene(tmp_path) as s:
        old = await s.end(1, timedelta(days=31))
        hidden = await s.end(2, timedelta(days=40), "dog")
        await s.store.hide(hidden, NOON)
        young = await s.end(3, timedelta(days=29))
        of_others = await s.end(4, timedelta(days=31), "not served here")
        waiting = await s.add(5)
        await s.retention(max_age=timedelta(days=30)).look()
        assert await s.left() == [young, of_others, waiting.id]
    removed = [record for record in caplog.records if "job_removed" in str(vars(record))]
    assert [record.args[0] for record in removed if isinstance(record.args, tuple)] == [hidden, old]
    assert f"Removed job {old} of model cat: it ended more than 30 days ago" in caplog.text


async def test_what_has_just_ended_stays_whatever_the_limits_say(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        just = await s.end(1, timedelta(minutes=4), size=MIB)
        ahead = await s.end(2, -HOUR, size=MIB)  # the clock was put back since
        await s.retention(max_age=timedelta(seconds=1), max_count=1, max_bytes=1).look()
        assert await s.left() == [just, ahead]


async def test_of_each_model_those_that_ended_last_stay(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        cats = [await s.end(number, HOUR * (10 - number)) for number in range(1, 5)]
        dogs = [await s.end(number, HOUR * (30 - number), "dog") for number in range(5, 7)]
        running = await s.add(7)
        await s.store.claim(
            running.id, server="x", models=MODELS, kinds=["train"], slots=1, now=NOON
        )
        await s.retention(max_count=2).look()
        assert await s.left() == [*cats[2:], *dogs, running.id]


async def test_kinds_are_counted_by_themselves(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        training = await s.end(1, 9 * HOUR)
        others = [await s.end(number, HOUR * (5 - number), kind="other") for number in (2, 3)]
        await s.retention(max_count=1).look()
        assert await s.left() == [training, others[1]]


async def test_a_version_is_kept_and_takes_no_place(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        served = await s.end(1, 9 * HOUR)
        await s.versions.promote("cat", served, server="a", by=None, now=NOON)
        await s.versions.serve("cat", server="a", now=NOON)
        gone, kept = await s.end(2, 2 * HOUR), await s.end(3, HOUR)
        await s.retention(max_count=1).look()
        assert await s.left() == [served, kept]
        assert not (s.folder / gone).exists()


async def test_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        sizes = {1: 1, 2: 2, 3: 1, 4: 1}
        jobs = [
            await s.end(number, HOUR * (10 - number), MODELS[number % 2], size=size * MIB)
            for number, size in sizes.items()
        ]
        await s.retention(max_bytes=6 * MIB).look()
        assert await s.left() == jobs
        await s.retention(max_bytes=3 * MIB).look()
        assert await s.left() == jobs[2:]


async def test_a_job_is_measured_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        job = await s.end(1, HOUR, size=MIB)
        await s.retention(max_bytes=8 * MIB).look()
        (s.folder / job / "artifacts" / "late").write_bytes(bytes(9 * MIB))
        await s.retention(max_bytes=8 * MIB).look()
        assert await s.left() == [job]


async def test_more_than_a_batch_goes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.service.retention._BATCH", 2)
    async with scene(tmp_path) as s:
        jobs = [await s.end(number, HOUR * (10 - number), size=MIB) for number in range(1, 8)]
        await s.retention(max_bytes=10 * MIB, max_count=2).look()
        assert await s.left() == jobs[5:]


async def test_a_removal_that_fails_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as s:
        stuck, old, young = [await s.end(number, HOUR * (10 - number)) for number in (1, 2, 3)]
        s.broken[stuck] = 0
        retention = s.retention(max_count=1)
        await retention.look()
        # The job that stays takes nobody's place.
        assert await s.left() == [stuck, young]
        assert old not in await s.left()
        await retention.look()
        assert s.broken == {stuck: 2}
        assert caplog.text.count("cannot be removed; that is tried again") == 1
        s.broken.clear()
        await retention.look()
        assert await s.left() == [young]


async def test_when_no_job_can_be_removed_the_look_ends_with_the_first(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        jobs = [await s.end(number, HOUR * (10 - number)) for number in (1, 2, 3)]
        s.broken, s.error = dict.fromkeys(jobs, 0), StorageUnavailable("The store is locked.")
        with pytest.raises(StorageUnavailable):
            await s.retention(max_age=HOUR).look()
        assert s.broken == {jobs[0]: 1, jobs[1]: 0, jobs[2]: 0}
        assert await s.left() == jobs


async def test_what_cannot_be_measured_holds_up_the_limit_of_the_size_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as s:
        old, young = await s.end(1, 3 * HOUR, size=MIB), await s.end(2, HOUR / 2, size=MIB)
        retention = s.retention(max_age=HOUR, max_bytes=1)

        async def fail(sizes: object) -> None:
            raise StorageFull

        with monkeypatch.context() as patched:
            patched.setattr(retention._ended, "note_disk_bytes", fail)
            for _ in range(2):
                await retention.look()
                assert await s.left() == [young]
        assert caplog.text.count("It cannot be noted what jobs take; jobs-max-size waits") == 1
        await retention.look()
        assert await s.left() == []
        assert not (s.folder / old).exists()


async def test_what_ended_while_the_clock_was_wrong_is_kept_as_long_as_others(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as s:
        await s.end(1, 50 * HOUR, size=MIB)
        just = await s.end(2, timedelta(days=20_000), size=MIB)
        retention, other = (
            s.retention(max_age=timedelta(days=1), max_count=1, max_bytes=1) for _ in range(2)
        )
        retention.on_end(await s.store.get(just))
        for _ in range(2):
            await retention.look()
            assert just in await s.left()
        # Who has not seen its end has nothing but the time of day.
        await other.look()
        assert await s.left() == []


async def test_a_job_that_is_promoted_in_between_stays_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as s:
        job = await s.end(1, 2 * HOUR)
        s.broken[job], s.error = 0, Conflict("It was promoted.")
        await s.retention(max_age=HOUR).look()
        assert await s.left() == [job]
        assert s.broken == {job: 1}
        assert caplog.text == ""


async def test_two_servers_do_not_trouble_each_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with scene(tmp_path) as s:
        jobs = [await s.end(number, HOUR * (30 - number)) for number in range(1, 21)]
        both = [s.retention(server, max_count=5) for server in "ab"]
        await asyncio.gather(*(each.look() for each in both))
        assert await s.left() == jobs[15:]
        assert caplog.text.count("Removed job") == 15
        assert "WARNING" not in caplog.text


async def test_it_looks_at_the_start_and_when_a_job_has_ended(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        first, second = await s.end(1, 3 * HOUR), await s.end(2, 2 * HOUR)
        retention = s.retention(max_count=1)
        retention.start()
        await until(lambda: not (s.folder / first).exists())
        third = await s.end(3, HOUR)
        retention.on_end(await s.store.get(third))
        await until(lambda: not (s.folder / second).exists())
        await retention.close()
        assert await s.left() == [third]


async def test_many_ends_are_looked_at_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.service.retention._SOON_S", 3600.0)
    async with scene(tmp_path) as s:
        retention = s.retention(max_count=1)
        looks = 0
        totals = retention._ended.totals

        async def counted(*args: Any) -> Any:
            nonlocal looks
            looks += 1
            return await totals(*args)

        monkeypatch.setattr(retention._ended, "totals", counted)
        retention.start()
        await until(lambda: looks == 1)
        for number in range(5):
            retention.on_end(make_job(number))
            await asyncio.sleep(0.01)
        await retention.close()
        assert looks == 1


async def test_what_holds_it_up_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("deepaas.service.retention._LOOK_S", 0.01)
    async with scene(tmp_path) as s:
        old = await s.end(1, 2 * HOUR)
        retention = s.retention(max_age=HOUR)
        tries = 0
        oldest = retention._ended.oldest

        async def failing(*args: Any, **options: Any) -> Any:
            nonlocal tries
            tries += 1
            if tries < 4:
                raise StorageUnavailable("The store is locked.")
            return await oldest(*args, **options)

        monkeypatch.setattr(retention._ended, "oldest", failing)
        retention.start()
        await until(lambda: not (s.folder / old).exists())
        await retention.close()
        assert caplog.text.count("No job is removed for now: The store is locked.") == 1
        assert await s.left() == []


async def test_closing_lets_the_removal_finish_that_goes_on_and_begins_none(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as s:
        first, second = await s.end(1, 3 * HOUR), await s.end(2, 2 * HOUR)
        retention = s.retention(max_age=HOUR, max_bytes=MIB)
        may_go = asyncio.Event()
        begun: list[str] = []
        remove = retention._remove_job

        async def slowly(directory: JobDirectory) -> bool:
            begun.append(directory.path.name)
            await may_go.wait()
            return await remove(directory)

        retention._remove_job = slowly
        retention.start()
        await until(lambda: begun)
        closing = asyncio.create_task(retention.close())
        await asyncio.sleep(0)
        may_go.set()
        await closing
        assert begun == [first]
        assert await s.left() == [second]
        await retention.look()  # nothing any more
        assert await s.left() == [second]


async def test_closing_does_not_wait_for_a_removal_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.service.retention._CLOSE_S", 0.01)
    async with scene(tmp_path) as s:
        await s.end(1, 3 * HOUR)
        retention = s.retention(max_age=HOUR)
        begun = asyncio.Event()

        async def never(directory: JobDirectory) -> bool:
            begun.set()
            await asyncio.Event().wait()
            return True

        retention._remove_job = never
        retention.start()
        await begun.wait()
        async with asyncio.timeout(20):
            await retention.close()
