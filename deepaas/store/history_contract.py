# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The part of the contract of job stores that is about pages, removal and keys."""

import asyncio
from datetime import timedelta
from typing import Any

from deepaas.errors import IllegalTransition, JobNotEnded, JobNotFound, KeyReused
from deepaas.records import Job, JobEnd, JobPlace, JobState
from deepaas.store.base import JobStore
from deepaas.store.scenarios import (
    NOON,
    StoreScenarios,
    make_job,
    make_key,
    number_of,
    raises,
    start,
    with_stores,
)


async def _pages(store: JobStore, size: int, **options: Any) -> list[Job]:
    """Return all jobs, read page by page."""
    found: list[Job] = []
    while page := await store.list(limit=size, **options):
        found += page
        options["after"] = JobPlace(page[-1].created, page[-1].id)
    return found


class HistoryContract(StoreScenarios):
    """What :class:`~deepaas.store.base.JobStore` promises of what it keeps for long."""

    @with_stores
    async def test_pages_neither_repeat_nor_leave_out(
        self, store: JobStore, other: JobStore
    ) -> None:
        """In both orders, with filters, and while jobs come, move, hide and go."""
        jobs = [make_job(n, created=NOON + timedelta(seconds=n // 3)) for n in range(12)]
        for number in (4, 9):
            jobs[number] = jobs[number].evolve(kind="predict")
        for job in jobs:
            await store.add(job)
        for oldest_first in (True, False):
            options = {"include_hidden": True, "oldest_first": oldest_first}
            in_order = jobs if oldest_first else jobs[::-1]
            for kind in (None, "train"):
                wanted = [job for job in in_order if kind in (None, job.kind)]
                for size in (1, 5, 12):
                    assert await _pages(other, size, kind=kind, **options) == wanted
        first = await store.list(limit=4)
        assert first == jobs[:7:-1]
        await store.add(make_job(99))
        await store.finish(jobs[7].id, JobEnd(JobState.CANCELLED, NOON))
        await store.hide(jobs[6].id, NOON)
        place = JobPlace(first[-1].created, first[-1].id)
        behind = await other.list(after=place, include_hidden=True)
        assert [job.id for job in behind] == [job.id for job in jobs[7::-1]]
        # A place needs no job.
        await store.finish(jobs[8].id, JobEnd(JobState.DONE, NOON))
        await store.remove(jobs[8].id)
        assert await other.list(after=place, include_hidden=True) == behind

    @with_stores
    async def test_the_jobs_of_one_owner_are_paged_as_all_are(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Those of others, and of nobody, neither show nor count, in whatever state they are."""
        owners = ("ada", "eve", None)
        jobs = [make_job(n, owner=owners[n % 3]) for n in range(12)]
        jobs[3] = jobs[3].evolve(kind="predict")
        jobs[6] = jobs[6].evolve(model="dog")
        for job in jobs:
            await store.add(job)
        jobs[0] = await store.hide(jobs[0].id, NOON)
        jobs[9] = await store.finish(jobs[9].id, JobEnd(JobState.DONE, NOON))
        of_ada = jobs[::3]
        for oldest_first in (True, False):
            in_order = of_ada if oldest_first else of_ada[::-1]
            options = {"owner": "ada", "include_hidden": True, "oldest_first": oldest_first}
            for size in (1, 3, 12):
                assert await _pages(other, size, **options) == in_order
        assert await other.list("cat", owner="ada") == [jobs[9], jobs[3]]
        assert await other.list(owner="ada", states=[JobState.DONE]) == [jobs[9]]
        assert await other.list(owner="ada", kind="predict", limit=0) == []
        assert await other.list(owner="nobody", include_hidden=True) == []

    @with_stores
    async def test_lists_leave_results_out_where_they_are_not_wanted(
        self, store: JobStore, other: JobStore
    ) -> None:
        """All else of a job is there."""
        job = make_job(1, resumable=True, retries=2)
        await start(store, job)
        await store.finish(job.id, JobEnd(JobState.DONE, NOON, "message", "[1]"))
        whole = await store.hide(job.id, NOON)
        assert whole.result == "[1]"
        assert await other.list(include_hidden=True) == [whole]
        for oldest_first in (True, False):
            found = await other.list(
                "cat", include_hidden=True, oldest_first=oldest_first, with_results=False
            )
            assert found == [whole.evolve(result=None)]

    @with_stores
    async def test_only_a_job_that_has_ended_is_removed(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Nothing is left of it; its id may come again."""
        await store.add(make_job(1))
        running = await start(store, make_job(2))
        for job_id in (make_job(1).id, running.id):
            with raises(JobNotEnded):
                await other.remove(job_id)
        await store.finish(running.id, JobEnd(JobState.DONE, NOON))
        await other.remove(running.id)
        with raises(JobNotFound):
            await store.get(running.id)
        with raises(JobNotFound):
            await store.remove(running.id)
        assert await store.list(include_hidden=True) == [make_job(1)]
        assert (await other.count_by_state())[JobState.DONE] == 0
        assert await store.add(make_job(2)) == make_job(2)

    @with_stores
    async def test_of_one_key_one_job_is_kept(self, store: JobStore, other: JobStore) -> None:
        """Whichever server is asked, and at the same moment; later it is returned as it is then."""
        assert await store.find(make_key()) is None
        calls = [
            handle.add(make_job(n), make_key()) for n, handle in enumerate([store, other] * 10)
        ]
        answers = await asyncio.gather(*calls)
        (kept,) = await store.list()
        assert answers == [kept] * 20
        assert await other.find(make_key()) == kept
        ended = await store.finish(kept.id, JobEnd(JobState.DONE, NOON))
        assert await other.add(make_job(77), make_key()) == ended
        assert await other.add(make_job(number_of(kept)), make_key()) == ended
        assert await store.list() == [ended]

    @with_stores
    async def test_a_key_that_comes_with_another_input_is_refused(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Nothing is kept for it."""
        await store.add(make_job(1), make_key())
        with raises(KeyReused):
            await other.find(make_key(fingerprint="other"))
        with raises(KeyReused):
            await other.add(make_job(2), make_key(fingerprint="other"))
        assert await store.list() == [make_job(1)]

    @with_stores
    async def test_keys_of_different_scopes_never_meet(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Those of another principal, model or kind are other keys."""
        keys = [
            make_key(),
            make_key("K"),
            make_key(owner="ada"),
            make_key(model="dog"),
            make_key(kind="predict"),
        ]
        jobs = [
            make_job(n, owner=key.owner, model=key.model, kind=key.kind)
            for n, key in enumerate(keys)
        ]
        for job, key in zip(jobs, keys, strict=True):
            assert await store.add(job, key) == job
        assert [await other.find(key) for key in keys] == jobs

    @with_stores
    async def test_a_key_goes_with_its_job(self, store: JobStore, other: JobStore) -> None:
        """Then it may come with any input; a job that is refused leaves no key."""
        with raises(IllegalTransition):
            await store.add(make_job(state=JobState.DONE), make_key())
        assert await other.find(make_key(fingerprint="other")) is None
        await store.add(make_job(1), make_key())
        await store.finish(make_job(1).id, JobEnd(JobState.DONE, NOON))
        await store.remove(make_job(1).id)
        again = make_key(fingerprint="other")
        assert await other.find(again) is None
        assert await other.add(make_job(2), again) == make_job(2)
