# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Queued predictions run when direct calls leave room, each once, whoever comes and goes."""

import asyncio
import errno
import json
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import JobNotFound, StorageUnavailable, Unavailable
from deepaas.execution import keeping, queued
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.messages import memory_file
from deepaas.execution.presence import ServerPresence
from deepaas.execution.queued import QueuedRunner
from deepaas.execution.recovery import decided_end, to_record
from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import Jobs, JobStore
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.execution.stored import HandCall, HandPool, explain, stored
from tests.unit.parts import PATIENCE_S, ended, eventually, until


@dataclass
class Server:
    """A runner and what it needs."""

    runner: QueuedRunner
    store: JobStore
    pool: HandPool
    presence: ServerPresence
    folder: Path
    #: Of whose end it told.
    told: list[Job]

    async def queue(self, number: int, **changes: Any) -> Job:
        """Queue a prediction."""
        job, _ = stored(self.folder, number, **changes)
        await self.store.add(job)
        self.runner.wake()
        return job

    async def running(self, count: int = 1) -> list[HandCall]:
        """Wait until the pool has so many calls, and return them."""
        await until(lambda: len(self.pool.calls) >= count)
        return self.pool.calls

    def directory(self, job: Job) -> JobDirectory:
        return JobDirectory(self.folder / job.id)

    async def ended(self, job: Job) -> Job:
        return await ended(self.store, job)


@asynccontextmanager
async def served(
    tmp_path: Path,
    store: JobStore | None = None,
    pool: HandPool | None = None,
    min_free_bytes: int = 0,
    **more: HandPool,
) -> AsyncIterator[Server]:
    """Open a server of the model ``cat``, and of ``more``."""
    store, pool = store or InMemoryJobStore(), pool or HandPool()
    folder = tmp_path / "jobs"
    folder.mkdir(exist_ok=True)
    told: list[Job] = []
    async with AsyncExitStack() as stack:
        presence = ServerPresence(tmp_path / "servers")
        stack.callback(presence.close)
        runner = await stack.enter_async_context(
            QueuedRunner(
                store,
                folder,
                presence=presence,
                pools={"cat": pool, **more},
                explain=explain,
                on_end=told.append,
                min_free_bytes=min_free_bytes,
            )
        )
        yield Server(runner, store, pool, presence, folder, told)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    for name in ("_LOOK_S", "_LOOK_RUNNING_S", "_LOOK_ROOM_S", "_TRY_AGAIN_S"):
        monkeypatch.setattr(queued, name, 0.002)


async def rounds(store: "Counting", count: int = 5) -> None:
    """Let a runner go round some times."""
    start = store.looks
    await until(lambda: store.looks >= start + count)


class Counting(InMemoryJobStore):
    """Counts how often a runner looked."""

    looks = 0

    async def running(self) -> Jobs:
        """Count, and answer."""
        self.looks += 1
        return await super().running()


async def test_at_most_half_of_the_pool_is_used(tmp_path: Path) -> None:
    store = Counting()
    async with served(tmp_path, store, HandPool(capacity=4)) as server:
        jobs = [await server.queue(number) for number in range(1, 5)]
        calls = await server.running(2)
        await rounds(store)
        assert sorted(call.number for call in calls) == [1, 2]
        for count in range(1, 5):
            call = (await server.running(count))[count - 1]
            call.answer()
            call.release()
        for job in jobs:
            assert (await server.ended(job)).state is JobState.DONE
        await until(lambda: len(server.told) == 4)
        assert {job.state for job in server.told} == {JobState.DONE}


async def test_a_long_answer_that_leaves_too_little_space_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_PATIENCE_S", 0)
    async with served(tmp_path, min_free_bytes=2**60) as server:
        short, long = await server.queue(1), await server.queue(2)
        size = {1: 1024, 2: 5 * 1024 * 1024}
        for call in await server.running(2):
            call.answer(b"", fd=memory_file(b"x" * size[call.number]))
        assert (await server.ended(short)).state is JobState.DONE
        assert "No space" in ((await server.ended(long)).message or "")
        assert not (server.directory(long).path / "answer.body").exists()


async def test_one_worker_runs_one(tmp_path: Path) -> None:
    store = Counting()
    async with served(tmp_path, store, HandPool(capacity=1)) as server:
        await server.queue(1)
        await server.queue(2)
        calls = await server.running()
        await rounds(store)
        assert len(calls) == 1


async def test_direct_calls_go_first(tmp_path: Path) -> None:
    store = Counting()
    pool = HandPool(capacity=2, direct=2)
    async with served(tmp_path, store, pool) as server:
        job = await server.queue(1)
        await rounds(store)
        assert pool.calls == []
        assert (await store.get(job.id)).state is JobState.QUEUED
        pool.direct = 1
        await server.running()


async def test_room_is_noticed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is not asked meanwhile: what waits is known."""
    monkeypatch.setattr(queued, "_LOOK_S", 3600)
    pool = HandPool(capacity=1, direct=1)
    async with served(tmp_path, None, pool) as server:
        await server.queue(1)
        await until(lambda: server.runner._crowded)
        pool.direct = 0
        await server.running()


async def test_one_that_was_left_and_runs_on_takes_its_place(tmp_path: Path) -> None:
    store = Counting()
    async with served(tmp_path, store, HandPool(capacity=2)) as server:
        job = await server.queue(1)
        (left,) = await server.running()
        await server.queue(2)
        server.directory(job).decide(End.now("cancelled"))
        assert (await server.ended(job)).state is JobState.CANCELLED
        assert left.was_left
        await rounds(store)
        assert len(server.pool.calls) == 1
        left.release()
        await server.running(2)


async def test_a_crowded_model_holds_up_no_other(tmp_path: Path) -> None:
    dog = HandPool()
    async with served(tmp_path, None, HandPool(direct=4), dog=dog) as server:
        await server.queue(1)
        await server.queue(2, model="dog")
        await until(lambda: dog.calls)


async def test_jobs_of_others_are_left_alone(tmp_path: Path) -> None:
    store = Counting()
    async with served(tmp_path, store) as server:
        training = await store.add(make_job(1))
        other = await server.queue(2, model="cow")
        gone = [await server.queue(3, model="cow"), await store.add(make_job(4))]
        for job in gone:
            options: Any = {"kinds": [job.kind], "slots": 9, "now": datetime.now(UTC)}
            await store.claim(job.id, server="gone", models=[job.model], **options)
        await rounds(store)
        assert server.pool.calls == []
        assert {(await store.get(job.id)).state for job in (training, other)} == {JobState.QUEUED}
        assert {(await store.get(job.id)).state for job in gone} == {JobState.RUNNING}


async def test_one_that_could_not_begin_comes_again(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store) as server:
        job = await server.queue(1)
        (call,) = await server.running()
        call.break_off(Unavailable("not now"))
        call.release()
        waiting = await until_state(store, job, JobState.QUEUED)
        assert (waiting.attempt, waiting.message) == (2, "not now")
        assert waiting.not_before is not None
        assert waiting.not_before <= datetime.now(UTC) + timedelta(seconds=1)
        events = server.directory(job).events.read_text().splitlines()
        told = [(each["state"], each["attempt"]) for each in map(json.loads, events)]
        assert told == [("running", 1), ("queued", 2)]


async def until_state(store: JobStore, job: Job, state: JobState) -> Job:
    return await eventually(lambda: store.get(job.id), lambda found: found.state is state)


async def test_a_cancel_that_comes_when_it_is_queued_again_is_not_forgotten(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as server:
        job = await server.queue(1)
        (call,) = await server.running()
        server.directory(job).decide(End.now("cancelled"))
        if not call.was_left:
            call.break_off(Unavailable("not now"))
        assert (await server.ended(job)).state is JobState.CANCELLED


@pytest.mark.parametrize("ends", [True, False])
async def test_one_whose_directory_cannot_be_read_is_queued_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """Unless the server ends: the next one comes to the same."""
    tries = 0

    def fail(directory: JobDirectory, attempt: int) -> JobEnd | None:
        nonlocal tries
        tries += 1
        if ends or tries < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return decided_end(directory, attempt)

    monkeypatch.setattr(queued, "decided_end", fail)
    store = InMemoryJobStore()
    async with served(tmp_path, store) as server:
        job = await server.queue(1)
        (call,) = await server.running()
        call.break_off(Unavailable("not now"))
        await until(lambda: tries >= 4)
        if not ends:
            assert (await until_state(store, job, JobState.QUEUED)).attempt == 2
    if ends:
        assert (await store.get(job.id)).state is JobState.RUNNING


async def test_the_next_attempt_waits_until_the_last_one_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is followed then: it can be cancelled."""
    may_look = threading.Event()

    def look(directory: JobDirectory, attempt: int) -> JobEnd | None:
        if attempt == 2:
            may_look.wait(PATIENCE_S)
        return decided_end(directory, attempt)

    monkeypatch.setattr(queued, "decided_end", look)
    store = Counting()
    async with served(tmp_path, store) as server:
        job = await claimed_by(server, "gone", 1, has_begun=False)
        await until_state(store, job, JobState.QUEUED)
        await rounds(store)
        calls = list(server.pool.calls)
        may_look.set()
        assert calls == []
        (call,) = await server.running()
        server.directory(job).decide(End.now("cancelled"))
        assert (await server.ended(job)).state is JobState.CANCELLED
        assert call.was_left


class Cancelling(InMemoryJobStore):
    """A store in which a cancel comes just when a job is queued again."""

    directory: JobDirectory

    async def unclaim(self, job_id: str, **options: Any) -> Job | None:
        """Cancel it, as a server that saw it running would."""
        self.directory.decide(End.now("cancelled"))
        return await super().unclaim(job_id, **options)


async def test_a_cancel_in_between_is_recorded(tmp_path: Path) -> None:
    store = Cancelling()
    async with served(tmp_path, store) as server:
        job = await server.queue(1)
        store.directory = server.directory(job)
        (call,) = await server.running()
        call.break_off(Unavailable("not now"))
        assert (await server.ended(job)).state is JobState.CANCELLED


async def claimed_by(server: Server, who: str, number: int, *, has_begun: bool) -> Job:
    """Leave what a server leaves that is gone."""
    job, directory = stored(server.folder, number)
    await server.store.add(job)
    options: Any = {"kinds": ["predict"], "slots": 9, "now": datetime.now(UTC)}
    await server.store.claim(job.id, server=who, models=["cat"], **options)
    if has_begun:
        directory.begin(1)
    return job


async def test_what_another_server_left_is_judged(tmp_path: Path) -> None:
    async with served(tmp_path, None, HandPool(capacity=0)) as server:
        begun = await claimed_by(server, "gone", 1, has_begun=True)
        waits = await claimed_by(server, "gone", 2, has_begun=False)
        assert (await server.ended(begun)).state is JobState.INTERRUPTED
        assert (await until_state(server.store, waits, JobState.QUEUED)).attempt == 2
        server.pool.capacity = 4
        (call,) = await server.running()
        call.answer()
        assert (await server.ended(waits)).state is JobState.DONE


async def test_what_a_living_server_runs_is_left_to_it(tmp_path: Path) -> None:
    store = Counting()
    async with served(tmp_path, store) as one, served(tmp_path, store) as two:
        job = await one.queue(1)
        await until(lambda: one.pool.calls or two.pool.calls)
        await rounds(store)
        assert len(one.pool.calls + two.pool.calls) == 1
        assert (await store.get(job.id)).attempt == 1


async def test_two_servers_run_each_once(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store) as one, served(tmp_path, store) as two:
        jobs = [await one.queue(number) for number in range(1, 11)]

        async def answer_all() -> None:
            while True:
                for call in [*one.pool.calls, *two.pool.calls]:
                    if not call.future.done():
                        call.answer()
                        call.release()
                await asyncio.sleep(0)

        answering = asyncio.create_task(answer_all())
        for job in jobs:
            assert (await one.ended(job)).attempt == 1
        answering.cancel()
        assert len(one.pool.calls) + len(two.pool.calls) == 10


async def test_a_runner_that_ends_interrupts_what_runs(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store) as server:
        job = await server.queue(1)
        await server.running()
        server.pool.capacity = 0
        behind = await server.queue(2)
    assert (await store.get(job.id)).state is JobState.INTERRUPTED
    assert (await store.get(behind.id)).state is JobState.QUEUED


class Failing(Counting):
    """A store that fails as often as it is told to."""

    def __init__(self, **failures: int) -> None:
        super().__init__()
        self.failures = failures

    def fail(self, name: str) -> None:
        """Fail, if it is to."""
        if self.failures.get(name):
            self.failures[name] -= 1
            raise StorageUnavailable(f"no {name}")

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Fail or record."""
        self.fail("finish")
        return await super().finish(job_id, end)

    async def next_queued(
        self, models: Sequence[str], slots: int, *, kinds: Sequence[str], now: datetime
    ) -> Job | None:
        """Fail or answer."""
        self.fail("next_queued")
        return await super().next_queued(models, slots, kinds=kinds, now=now)


async def test_a_store_that_fails_for_a_while_holds_it_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing(finish=3, next_queued=3)
    with caplog.at_level(logging.ERROR):
        async with served(tmp_path, store) as server:
            job = await server.queue(1)
            (call,) = await server.running()
            call.answer()
            assert (await server.ended(job)).state is JobState.DONE
    assert len([each for each in caplog.records if "held up" in each.message]) == 1


async def test_an_end_that_cannot_be_recorded_is_left_to_the_next_server(tmp_path: Path) -> None:
    store = Failing(finish=1_000_000)
    async with served(tmp_path, store) as server:
        job = await server.queue(1)
        (call,) = await server.running()
        call.answer()
        await until(lambda: server.directory(job).is_decided())
    assert (await store.get(job.id)).state is JobState.RUNNING
    store.failures.clear()
    async with served(tmp_path, store) as again:
        assert (await again.ended(job)).state is JobState.DONE


class Vanishing(InMemoryJobStore):
    """A store from which a job is removed between two steps."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step: str | None = step

    def vanish(self, step: str, job_id: str) -> None:
        """Lose the job, once."""
        if self.step == step:
            self.step = None
            del self._jobs[job_id]
            raise JobNotFound(job_id)

    async def claim(self, job_id: str, **options: Any) -> Job | None:
        """Vanish or claim."""
        self.vanish("claim", job_id)
        return await super().claim(job_id, **options)

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Vanish or record."""
        self.vanish("finish", job_id)
        return await super().finish(job_id, end)


@pytest.mark.parametrize("step", ["claim", "finish"])
async def test_a_job_that_is_removed_meanwhile_holds_up_no_other(tmp_path: Path, step: str) -> None:
    store = Vanishing(step)
    async with served(tmp_path, store) as server:
        await server.queue(1)
        if step == "finish":
            (call,) = await server.running()
            call.answer()
            call.release()
        await until(lambda: store.step is None)
        server.pool.calls.clear()
        job = await server.queue(2)
        (call,) = await server.running()
        call.answer()
        assert (await server.ended(job)).state is JobState.DONE


class Taken(InMemoryJobStore):
    """A store in which another server is always a bit faster."""

    async def claim(self, job_id: str, **options: Any) -> Job | None:
        """Lose the race."""
        await self.finish(job_id, to_record(End.now("cancelled")))
        return None


async def test_a_job_that_another_takes_is_not_run(tmp_path: Path) -> None:
    async with served(tmp_path, Taken()) as server:
        job = await server.queue(1)
        await server.ended(job)
        assert server.pool.calls == []


class Adopted(Counting):
    """A store in which another server adopts first."""

    async def adopt(self, job_id: str, *, old_server: str | None, server: str) -> Job | None:
        """Lose the race."""
        return None


async def test_a_job_that_another_server_adopts_is_left_to_it(tmp_path: Path) -> None:
    store = Adopted()
    async with served(tmp_path, store) as server:
        job = await claimed_by(server, "gone", 1, has_begun=True)
        await rounds(store)
        assert (await store.get(job.id)).state is JobState.RUNNING


async def test_what_breaks_the_service_itself_is_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: JobDirectory, attempt: int) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(JobDirectory, "begin", broken)
    async with served(tmp_path) as server:
        job = await server.ended(await server.queue(1))
    assert (job.state, job.message) == (
        JobState.ERROR,
        "The service failed to run it; its log says why.",
    )
    assert "a fault of ours" in caplog.text


@pytest.mark.parametrize("ends", [True, False])
async def test_a_judgement_that_cannot_be_written_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    decide, tries = JobDirectory.decide, [0]

    def full(self: JobDirectory, end: End) -> bool:
        tries[0] += 1
        if ends or tries[0] < 4:
            raise OSError(28, "No space left on device")
        return decide(self, end)

    monkeypatch.setattr(JobDirectory, "decide", full)
    store = InMemoryJobStore()
    async with served(tmp_path, store) as server:
        job = await claimed_by(server, "gone", 1, has_begun=True)
        if not ends:
            assert (await server.ended(job)).state is JobState.INTERRUPTED
        await until(lambda: tries[0] >= 4)
    state = JobState.RUNNING if ends else JobState.INTERRUPTED
    assert (await store.get(job.id)).state is state
