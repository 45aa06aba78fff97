# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The part of the contract of job stores that is about evaluations."""

from datetime import timedelta

from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import JobStore
from deepaas.store.scenarios import NOON, StoreScenarios, make_job, start, with_stores

_DONE, _ERROR = JobState.DONE, JobState.ERROR


async def _evaluated(store: JobStore, number: int, version: int, state: JobState) -> Job:
    """Keep an evaluation that ended so many minutes past noon as it has a number."""
    job = make_job(-number, kind="evaluate", version=version)
    await store.add(job)
    end = JobEnd(state, NOON + timedelta(minutes=number), result='"large"')
    return await store.finish(job.id, end)


class EvaluationContract(StoreScenarios):
    """What :class:`~deepaas.store.base.JobStore` promises of evaluations."""

    @with_stores
    async def test_the_evaluation_that_was_done_last_is_found(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Of each version; whichever began last, and whatever else there is."""
        assert await store.latest_evaluations("cat") == []
        for number, version in ((1, 0), (4, 2), (2, 2)):
            await _evaluated(store, number, version, _DONE)
        last = await _evaluated(store, 3, 0, _DONE)
        await _evaluated(store, 5, 0, _ERROR)
        await _evaluated(store, 6, 7, _ERROR)
        foreign = make_job(50, kind="evaluate", version=0, model="dog")
        await store.add(foreign)
        await store.finish(foreign.id, JobEnd(_DONE, NOON + timedelta(hours=1)))
        await store.add(make_job(51))
        await store.finish(make_job(51).id, JobEnd(_DONE, NOON + timedelta(hours=1)))
        found = await other.latest_evaluations("cat")
        assert found[0] == last.evolve(result=None)
        assert [(job.version, job.id) for job in found[1:]] == [(2, make_job(-4).id)]
        await other.remove(last.id)
        assert (await store.latest_evaluations("cat"))[0].id == make_job(-1).id

    @with_stores
    async def test_a_version_is_in_use_until_its_evaluation_has_ended(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Other versions, models and kinds are not."""
        job = make_job(kind="evaluate", version=1)
        await store.add(job)
        await start(store, make_job(2, version=None))
        assert await other.is_evaluating("cat", 1)
        assert not await other.is_evaluating("cat", 0)
        assert not await other.is_evaluating("dog", 1)
        claimed = await store.claim(
            job.id, server="a", models=["cat"], kinds=["evaluate"], slots=9, now=NOON
        )
        assert claimed == job.evolve(state=JobState.RUNNING, server="a", started=NOON)
        assert await other.is_evaluating("cat", 1)
        await store.finish(job.id, JobEnd(JobState.CANCELLED, NOON))
        assert not await other.is_evaluating("cat", 1)
