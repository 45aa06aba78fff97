# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings are followed to their end, whoever dies or is stopped when."""

import asyncio
import resource
import shutil
import threading
from pathlib import Path

import pytest

from deepaas.execution import following, jobs
from deepaas.execution.following import Followed, JobFollower
from deepaas.execution.jobdir import End
from deepaas.execution.presence import ServerPresence
from deepaas.execution.processes import kill_all
from deepaas.records import Job, JobState
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.execution.runner import claim_for_nobody, served
from tests.unit.parts import eventually, until


async def test_stopping_interrupts_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        waiting = await server.submit(2)
    assert (await server.store.get(job.id)).state is JobState.INTERRUPTED
    assert (await server.store.get(waiting.id)).state is JobState.QUEUED
    async with served(tmp_path, server.store) as server:
        assert (await server.ended(waiting)).state is JobState.DONE


async def test_stopping_takes_no_longer_once_it_is_forced(tmp_path: Path) -> None:
    force = asyncio.Event()
    async with served(tmp_path, InMemoryJobStore(), grace_s=600, force=force) as server:
        job = await server.running(1, "stubborn")
        force.set()
    found = await server.store.get(job.id)
    assert (found.state, found.message) == (JobState.INTERRUPTED, "The server was stopped.")


async def test_what_cannot_be_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next server follows it."""
    monkeypatch.setattr(jobs, "_LEAVE_S", 0.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        async with served(tmp_path, InMemoryJobStore(), grace_s=0.0) as server:
            job = await server.running(1, "go")
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be stopped" in caplog.text
    assert "1 trainings did not end in time" in caplog.text
    async with served(tmp_path, server.store) as server:
        (tmp_path / "go").touch()
        assert (await server.ended(job)).state is JobState.DONE


async def test_a_resumable_training_is_queued_when_its_server_stops(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.runner.submit(make_job(1, resumable=True), server.call("go"))
        await until((tmp_path / "go.pid").exists)
    found = await server.store.get(job.id)
    assert (found.state, found.attempt, found.not_before) == (JobState.QUEUED, 2, None)
    (tmp_path / "go").touch()
    async with served(tmp_path, server.store) as server:
        assert (await server.ended(job)).attempt == 2


async def test_a_removed_training_is_not_stopped(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        shutil.rmtree(server.runner.directory(job.id).path)
    assert (await server.store.get(job.id)).state is JobState.ERROR


async def test_a_job_of_another_kind_is_not_followed(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    gone = make_job(2, kind="predict", state=JobState.RUNNING, server="gone")
    store._keep(gone)
    async with served(tmp_path, store) as server:
        await server.ended(await server.submit(1))
    assert await store.get(gone.id) == gone


async def test_stopping_may_leave_trainings_running(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore(), keep=True) as server:
        job = await server.running(1, "go")
    assert (await server.store.get(job.id)).state is JobState.RUNNING
    async with served(tmp_path, server.store) as server:
        here = server.presence.id
        await eventually(lambda: server.store.get(job.id), lambda found: found.server == here)
        (tmp_path / "go").touch()
        done = await server.ended(job)
        assert (done.state, done.attempt) == (JobState.DONE, 1)


async def test_a_training_is_not_taken_from_a_server_that_lives(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store, slots=2) as one, served(tmp_path, store, slots=2) as two:
        await one.running(1, "go1")
        await two.running(2, "go2")
        await asyncio.sleep(0.3)
        servers = {job.server for job in await store.running()}
        assert servers <= {one.presence.id, two.presence.id}
        for name in ("go1", "go2"):
            (tmp_path / name).touch()
        for number in (1, 2):
            assert (await one.ended(make_job(number))).attempt == 1


@pytest.mark.parametrize(
    ("begun", "outcome", "state", "attempt"),
    [
        (False, None, JobState.DONE, 2),
        (True, None, JobState.INTERRUPTED, 1),
        (True, End.now("done", result="5"), JobState.DONE, 1),
    ],
)
async def test_what_a_dead_server_left_is_settled(
    tmp_path: Path, begun: bool, outcome: End | None, state: JobState, attempt: int
) -> None:
    """Claimed and never run; running, its guard dead; done, and nobody had said so."""
    store = InMemoryJobStore()
    async with served(tmp_path, store, slots=0) as server:
        job = await server.submit(1)
        directory = server.runner.directory(job.id)
    await claim_for_nobody(store, job)
    if begun:
        directory.begin(1)
    if outcome is not None:
        directory.write_outcome(outcome)
    async with served(tmp_path, store) as server:
        job = await server.ended(job)
    assert (job.state, job.attempt) == (state, attempt)


def follower_of(tmp_path: Path, store: InMemoryJobStore, *jobs: Job) -> JobFollower:
    """Return a follower of jobs that have ended, and left no directory."""
    presence = ServerPresence(tmp_path / "servers")
    follower = JobFollower(store, tmp_path, presence=presence, models=["cat"])
    presence.close()
    for job in jobs:
        follower.follow(Followed(job, is_ours=True, has_ended=True))
    return follower


async def test_a_job_whose_record_is_gone_is_not_followed_for_ever(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    known = make_job(2)
    await store.add(known)
    follower = follower_of(tmp_path, store, make_job(1), known)
    await follower.settle()
    assert len(follower) == 0
    assert (await store.get(known.id)).state is JobState.ERROR


async def test_who_wants_to_know_is_told_before_an_end_is_recorded_and_after(
    tmp_path: Path,
) -> None:
    store, told = InMemoryJobStore(), []
    job = make_job(1, state=JobState.RUNNING)
    store._keep(job)

    async def before_end(job: Job) -> None:
        told.append((job.state, (await store.get(job.id)).state))

    presence = ServerPresence(tmp_path / "servers")
    follower = JobFollower(
        store,
        tmp_path,
        presence=presence,
        models=["cat"],
        before_end=before_end,
        on_end=lambda job: told.append((job.state, store._jobs[job.id].state)),
    )
    presence.close()
    follower.follow(Followed(job, is_ours=True, has_ended=True))
    await follower.settle()
    assert told == [(JobState.RUNNING, JobState.RUNNING), (JobState.ERROR, JobState.ERROR)]


async def test_jobs_may_end_while_all_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    killed = []

    def kill_when_let(marker: str) -> None:
        gate.wait()
        kill_all(marker)
        killed.append(marker)

    monkeypatch.setattr(following, "kill_all", kill_when_let)
    store = InMemoryJobStore()
    jobs = [await store.add(make_job(number)) for number in (1, 2)]
    follower = follower_of(tmp_path, store, *jobs)
    killing = asyncio.create_task(follower.kill_all())
    await asyncio.sleep(0)
    try:
        await follower.settle()
    finally:
        gate.set()
    await killing
    assert killed == [job.id for job in jobs]
