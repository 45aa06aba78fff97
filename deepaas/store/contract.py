# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The contract of job stores as tests; published through :mod:`deepaas.testing`."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from deepaas.errors import IllegalTransition, JobNotFound, StorageUnavailable
from deepaas.records import FINAL_STATES, JobEnd, JobState
from deepaas.store.base import LONGEST_DELAY, JobStore
from deepaas.store.evaluation_contract import EvaluationContract
from deepaas.store.history_contract import HistoryContract
from deepaas.store.scenarios import NOON, TRAINS, make_job, number_of, raises, start, with_stores


class JobStoreContract(HistoryContract, EvaluationContract):
    """Every promise of :class:`~deepaas.store.base.JobStore` that a test can check."""

    @with_stores
    async def test_an_added_job_is_there_for_every_server(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Every field comes back as it was given."""
        job = make_job(owner="ada", arguments='{"epochs": 3, "name": "\u00e9\\u0000"}', attempt=2)
        await store.add(job)
        assert await store.get(job.id) == await other.get(job.id) == job

    @with_stores
    async def test_add_may_be_repeated(self, store: JobStore, other: JobStore) -> None:
        """The second time changes nothing, even when the job runs; another job is refused."""
        running = await start(store, make_job())
        await other.add(make_job())
        assert await store.get(running.id) == running
        with raises(IllegalTransition):
            await store.add(make_job(arguments='{"epochs": 4}'))

    @with_stores
    async def test_only_a_queued_job_with_aware_times_can_be_added(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Anything else is refused and not kept."""
        for state in set(JobState) - {JobState.QUEUED}:
            with raises(IllegalTransition):
                await store.add(make_job(state=state))
        with raises(ValueError):
            await store.add(make_job(created=datetime(2026, 11, 22)))
        assert await other.list() == []

    @with_stores
    async def test_an_unknown_id_is_reported(self, store: JobStore, other: JobStore) -> None:
        """By every method that takes one; also one that is no valid text."""
        for job_id in ("0" * 32, "", "\udcff", "' OR 1=1"):
            for call in (
                store.get(job_id),
                store.claim(job_id, server="a", models=["cat"], slots=1, **TRAINS),
                store.unclaim(job_id, server="a"),
                store.adopt(job_id, old_server=None, server="a"),
                store.finish(job_id, JobEnd(JobState.DONE, NOON)),
                store.hide(job_id, NOON),
                store.remove(job_id),
            ):
                with raises(JobNotFound):
                    await call

    @with_stores
    async def test_list_is_newest_first_and_filters(self, store: JobStore, other: JobStore) -> None:
        """Filters combine, ties are ordered by id, hidden jobs are left out unless asked for."""
        jobs = [make_job(n, created=NOON + timedelta(seconds=n // 2)) for n in range(6)]
        jobs[1] = jobs[1].evolve(model="dog")
        jobs[2] = jobs[2].evolve(kind="predict")
        for job in jobs[3:] + jobs[:3]:
            await store.add(job)
        cancelled = await store.finish(jobs[4].id, JobEnd(JobState.CANCELLED, NOON))
        hidden = await store.hide(jobs[5].id, NOON)
        assert await other.list() == [cancelled, *jobs[3::-1]]
        assert await other.list(include_hidden=True, limit=2) == [hidden, cancelled]
        assert await other.list("dog") == [jobs[1]]
        assert await other.list("cat", kind="train", limit=2) == [cancelled, jobs[3]]
        assert await other.list(kind="predict", states=[JobState.QUEUED]) == [jobs[2]]
        assert await other.list("cat", states=FINAL_STATES) == [cancelled]
        assert await other.list(states=[]) == await other.list(limit=0) == []
        assert await other.list("mouse") == []

    @with_stores
    async def test_next_queued_is_the_oldest_while_a_slot_is_free(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Only jobs of the given models count; looking changes nothing."""
        for number, model in ((3, "cat"), (1, "dog"), (2, "cat"), (4, "cow")):
            await store.add(make_job(number, model=model))
        assert await other.next_queued(["cat", "cow"], 1, **TRAINS) == make_job(2)
        assert await other.next_queued(["cat", "cow"], 1, **TRAINS) == make_job(2)
        assert await other.next_queued(["cat"], 0, **TRAINS) is None
        assert await other.next_queued([], 1, **TRAINS) is None
        await start(store, make_job(5, model="dog"))
        assert await other.next_queued(["cat"], 1, **TRAINS) == make_job(2)
        assert await other.next_queued(["cat", "dog"], 1, **TRAINS) is None
        assert await other.next_queued(["cat", "dog"], 2, **TRAINS) == make_job(1, model="dog")

    @with_stores
    async def test_a_job_is_claimed_once(self, store: JobStore, other: JobStore) -> None:
        """Of many claims by two servers, one wins."""
        await store.add(make_job())
        claims = [
            handle.claim(make_job().id, server=f"{n}", models=["cat"], slots=9, **TRAINS)
            for n, handle in enumerate([store, other] * 20)
        ]
        won = [job for job in await asyncio.gather(*claims) if job is not None]
        running = make_job(state=JobState.RUNNING, started=NOON, server=won[0].server)
        assert won == [running] == [await store.get(running.id)]

    @with_stores
    async def test_slots_are_never_exceeded(self, store: JobStore, other: JobStore) -> None:
        """Claims at once get as many jobs as there are slots, for all servers together."""
        jobs = [make_job(n, model="cat" if n % 2 else "dog") for n in range(20)]
        await asyncio.gather(*(store.add(job) for job in jobs))
        await start(store, make_job(99, model="cow"))
        models = ["cat", "dog"]
        claims = [
            handle.claim(job.id, server="a", models=models, slots=3, **TRAINS)
            for job in jobs
            for handle in (store, other)
        ]
        assert sum(job is not None for job in await asyncio.gather(*claims)) == 3
        assert (await store.count_by_state())[JobState.RUNNING] == 4

    @with_stores
    async def test_only_a_job_of_the_served_models_is_claimed(
        self, store: JobStore, other: JobStore
    ) -> None:
        """A server that does not serve the model cannot start it."""
        await store.add(make_job())
        for models in ([], ["dog"]):
            job_id = make_job().id
            assert await other.claim(job_id, server="b", models=models, slots=1, **TRAINS) is None
        assert await store.get(make_job().id) == make_job()

    @with_stores
    async def test_an_unclaimed_job_is_first_in_the_queue_again(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Only its server can put it back, once."""
        running = await start(store, make_job(1))
        await store.add(make_job(2))
        assert await other.unclaim(running.id, server="b") is None
        queued = await store.unclaim(running.id, server="a")
        assert queued == make_job(1, attempt=2) == await other.next_queued(["cat"], 1, **TRAINS)
        assert await store.unclaim(running.id, server="a") is None

    @with_stores
    async def test_a_job_waits_for_its_time_and_holds_up_no_other(
        self, store: JobStore, other: JobStore
    ) -> None:
        """Unless that is further ahead than any: then it was set before the clock was put back."""
        await start(store, make_job(1))
        await store.add(make_job(2))
        later = NOON + LONGEST_DELAY
        queued = await store.unclaim(
            make_job(1).id, server="a", not_before=later, message="it failed"
        )
        assert queued == make_job(1, attempt=2, not_before=later, message="it failed")
        assert await other.next_queued(["cat"], 1, **TRAINS) == make_job(2)
        claims: dict[str, Any] = {
            "server": "b",
            "models": ["cat"],
            "slots": 9,
            "kinds": ["train"],
        }
        second = timedelta(seconds=1)
        for now in (NOON, later - second):
            assert await other.claim(queued.id, now=now, **claims) is None
        for now in (later, later + second, NOON - second):
            found = await other.next_queued(["cat"], 1, kinds=["train"], now=now)
            assert found == queued
        assert await other.claim(queued.id, now=NOON - second, **claims) is not None

    @with_stores
    async def test_jobs_of_other_kinds_are_left_alone(
        self, store: JobStore, other: JobStore
    ) -> None:
        """They are not started, and take no slot."""
        predictions = [make_job(number, kind="predict") for number in (1, 2)]
        for job in (*predictions, make_job(3)):
            await store.add(job)
        options: dict[str, Any] = {"server": "a", "models": ["cat"], "now": NOON}
        assert await other.next_queued(["cat"], 1, **TRAINS) == make_job(3)
        assert await other.claim(predictions[0].id, kinds=["train"], slots=1, **options) is None
        assert await other.claim(predictions[0].id, kinds=["predict"], slots=1, **options)
        assert await other.next_queued(["cat"], 1, **TRAINS) == make_job(3)
        both: dict[str, Any] = {"kinds": ["train", "predict"], "now": NOON}
        assert await other.next_queued(["cat"], 1, **both) is None
        assert await other.next_queued(["cat"], 2, **both) == predictions[1]

    @with_stores
    async def test_what_a_job_says_of_its_attempts_is_kept(
        self, store: JobStore, other: JobStore
    ) -> None:
        """As it was when the job was accepted."""
        job = make_job(resumable=True, retries=3)
        await store.add(job)
        found = await other.get(job.id)
        assert found == job
        assert found.resumable is True

    @with_stores
    async def test_a_running_job_is_adopted_once(self, store: JobStore, other: JobStore) -> None:
        """Of several servers that find its server gone, one follows it on."""
        running = await start(store, make_job())
        adoptions = [
            handle.adopt(running.id, old_server="a", server=f"new-{n}")
            for n, handle in enumerate([store, other] * 5)
        ]
        won = [job for job in await asyncio.gather(*adoptions) if job is not None]
        assert won == [running.evolve(server=won[0].server)] == [await store.get(running.id)]
        await store.add(make_job(2))
        assert await store.adopt(make_job(2).id, old_server=None, server="b") is None

    @with_stores
    async def test_the_first_end_wins(self, store: JobStore, other: JobStore) -> None:
        """From queued and running, and for all other changes."""
        await store.add(make_job(1))
        await start(store, make_job(2))
        for job_id in (make_job(1).id, make_job(2).id):
            before = await store.get(job_id)
            ends = [JobEnd(s, NOON, f"it is {s}", f'"{s}"') for s in sorted(FINAL_STATES)] * 3
            handles = (store, other) * 6
            calls = [h.finish(job_id, e) for h, e in zip(handles, ends, strict=True)]
            answers = await asyncio.gather(*calls)
            ended = await other.get(job_id)
            how = {"state": ended.state, "finished": NOON, "message": f"it is {ended.state}"}
            assert ended == before.evolve(**how, result=f'"{ended.state}"')
            assert answers == [ended] * 12
            claim = store.claim(job_id, server="a", models=["cat"], slots=9, **TRAINS)
            assert await claim is None
            assert await store.unclaim(job_id, server="a") is None
            assert await store.adopt(job_id, old_server=ended.server, server="b") is None
            assert await store.get(job_id) == ended

    @with_stores
    async def test_an_end_must_be_final(self, store: JobStore, other: JobStore) -> None:
        """A job cannot end as queued or running."""
        running = await start(store, make_job())
        for state in set(JobState) - FINAL_STATES:
            with raises(IllegalTransition):
                await store.finish(running.id, JobEnd(state, NOON))
        assert await other.get(running.id) == running

    @with_stores
    async def test_any_message_can_be_recorded(self, store: JobStore, other: JobStore) -> None:
        """Bytes of a file name that are not UTF-8 do not keep a job from ending."""
        await store.add(make_job(arguments='{"path": "\udcff"}'))
        await store.finish(make_job().id, JobEnd(JobState.ERROR, NOON, "no file 'caf\udce9'"))
        job = await other.get(make_job().id)
        assert (job.message, job.arguments) == ("no file 'caf\\udce9'", '{"path": "\\udcff"}')

    @with_stores
    async def test_hide_keeps_the_first_time(self, store: JobStore, other: JobStore) -> None:
        """In any state; the job can still be read, and still ends."""
        running = await start(store, make_job())
        hidden = await store.hide(running.id, NOON)
        assert await other.hide(running.id, NOON + timedelta(1)) == hidden
        assert await store.running() == [hidden] == [running.evolve(hidden_at=NOON)]
        ended = await store.finish(running.id, JobEnd(JobState.DONE, NOON))
        assert (ended.state, ended.hidden_at) == (JobState.DONE, NOON)

    @with_stores
    async def test_running_and_counts(self, store: JobStore, other: JobStore) -> None:
        """Running jobs come oldest first; every state is counted, also with none in it."""
        second, first = [await start(store, make_job(n), f"{n}") for n in (2, 1)]
        await store.add(make_job(3, model="dog"))
        assert await other.running() == [first, second]
        zero = dict.fromkeys(JobState, 0)
        counts = zero | {JobState.QUEUED: 1, JobState.RUNNING: 2}
        assert await other.count_by_state() == counts
        assert await other.count_by_state("dog") == zero | {JobState.QUEUED: 1}
        await store.add(make_job(4, kind="predict"))
        assert await other.count_by_state("cat", kind="predict") == zero | {JobState.QUEUED: 1}
        assert await other.count_by_state("dog", kind="predict") == zero

    @with_stores
    async def test_check_leaves_no_trace(self, store: JobStore, other: JobStore) -> None:
        """However often."""
        await asyncio.gather(store.check(), other.check(), store.check())
        assert await store.list(include_hidden=True) == []

    @with_stores
    async def test_a_cancelled_caller_leaves_whole_steps(
        self, store: JobStore, other: JobStore
    ) -> None:
        """The job was added or not; the store works on."""
        for number in range(20):
            call = asyncio.ensure_future(store.add(make_job(number)))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await store.add(make_job(99))
        assert all(job == make_job(number_of(job)) for job in await other.list())

    @with_stores
    async def test_a_closed_store_says_so(self, store: JobStore, other: JobStore) -> None:
        """Closing twice does no harm."""
        await store.close()
        await store.close()
        with raises(StorageUnavailable):
            await store.get(make_job().id)
        with raises(StorageUnavailable):
            await store.check()
