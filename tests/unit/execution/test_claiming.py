# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Queued trainings start when a slot is free, and one that cannot holds up no other."""

import asyncio
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.local import LocalExecutor, LocalJobProcess
from deepaas.records import Job, JobState
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.execution.runner import Failing, served
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import threads_in, until


async def test_a_training_that_fails(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.ended(await server.submit(1, "raise"))
        assert (job.state, job.message) == (JobState.ERROR, "boom")
        assert "ValueError" in server.runner.directory(job.id).log.read_text()


async def test_a_training_whose_process_is_killed(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        os.kill(int((tmp_path / "go.pid").read_text()), signal.SIGKILL)
        job = await server.ended(job)
        assert job.state is JobState.ERROR
        assert "SIGKILL" in (job.message or "")


async def test_a_training_whose_guard_is_killed(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        guard = subprocess.run(
            ["pgrep", "-f", f"job_guard {tmp_path}"], stdout=subprocess.PIPE, check=True
        )
        os.kill(int(guard.stdout), signal.SIGKILL)
        job = await server.ended(job)
        assert job.state is JobState.INTERRUPTED


async def test_a_job_whose_directory_was_removed_before_it_could_start(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    await store.add(make_job(1))
    await store.add(make_job(2))
    async with served(tmp_path, store) as server:
        job = await server.ended(make_job(1))
        assert job.state is JobState.ERROR
        assert "removed before it could start" in (job.message or "")
        await server.ended(make_job(2))


async def test_a_directory_is_not_looked_for_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        directory = server.runner.directory(make_job(1).id)
        threads = threads_in(monkeypatch, "is_dir", directory.path)
        await server.ended(await server.submit(1))
    assert threads
    assert threading.current_thread() not in threads


async def test_a_job_whose_directory_is_removed_while_it_runs(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        shutil.rmtree(server.runner.directory(job.id).path)
        job = await server.ended(job)
        assert job.state is JobState.ERROR
        assert "removed" in (job.message or "")


async def test_a_job_whose_guard_always_fails_holds_up_no_other(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    await store.add(make_job(1))
    directory = tmp_path / "jobs" / make_job(1).id
    (directory / "alive").mkdir(parents=True)  # no guard can lock it
    async with served(tmp_path, store) as server:
        await server.submit(2)
        job = await server.ended(make_job(1))
        assert job.state is JobState.ERROR
        assert "supervises" in (job.message or "")
        assert (await server.ended(make_job(2))).state is JobState.DONE


async def test_a_job_that_another_guard_holds_waits(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        job = await server.submit(1)
        directory = server.runner.directory(job.id)
    with holder(directory) as process:
        assert first_line(process) == "True"
        async with served(tmp_path, server.store) as server:
            await asyncio.sleep(0.3)
            assert (await server.store.get(job.id)).state is JobState.QUEUED
            process.kill()
            assert (await server.ended(job)).state is JobState.DONE


async def test_no_more_run_at_once_than_there_are_slots(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore(), slots=2) as server:
        await asyncio.gather(server.running(1, "go1"), server.running(2, "go2"))
        third = await server.submit(3)
        await asyncio.sleep(0.1)
        assert (await server.store.get(third.id)).state is JobState.QUEUED
        (tmp_path / "go1").touch()
        assert (await server.ended(third)).state is JobState.DONE
        assert (await server.store.get(make_job(2).id)).state is JobState.RUNNING


async def test_jobs_of_other_models_are_left_alone(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store, models=("dog",)) as server:
        job = await server.submit(1)
        gone = make_job(2, state=JobState.RUNNING, server="gone")
        store._keep(gone)
        await asyncio.sleep(0.1)
        assert (await store.get(job.id)).state is JobState.QUEUED
        assert await store.get(gone.id) == gone


@pytest.mark.parametrize("times", [1, 2])
async def test_a_store_that_fails_holds_jobs_up_and_loses_none(
    tmp_path: Path, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing()
    store.failures["running"] = times
    async with served(tmp_path, store) as server:
        job = await server.submit(1)
        assert (await server.ended(job)).state is JobState.DONE
        await until(lambda: not store.failures["running"])
    assert caplog.text.count("held up") == 1


class KillsItsFirstGuard(LocalExecutor):
    """Kills a guard between its taking the lock and its being told to begin."""

    def __init__(self) -> None:
        super().__init__()
        self.is_first = True

    async def start_job(
        self, directory: JobDirectory, on_end: Callable[[], None]
    ) -> LocalJobProcess | None:
        """Start the guard, and kill it the first time."""
        gone = asyncio.Event()

        def ended() -> None:
            gone.set()
            on_end()

        process = await super().start_job(directory, ended)
        if self.is_first:
            self.is_first = False
            (guard,) = psutil.Process().children()
            guard.kill()
            await gone.wait()
        return process


async def test_a_job_whose_guard_is_gone_before_it_begins_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path, InMemoryJobStore(), executor=KillsItsFirstGuard()) as server:
        job = await server.ended(await server.submit(1))
    assert (job.state, job.attempt) == (JobState.DONE, 2)
    assert "ended before it began" in caplog.text


class LosesItsFirstClaim(InMemoryJobStore):
    """A store on which another server is faster, once."""

    has_lost = False

    async def claim(self, job_id: str, **options: Any) -> Job | None:
        """Claim, or say that it is too late."""
        if not self.has_lost:
            self.has_lost = True
            return None
        return await super().claim(job_id, **options)


async def test_a_job_that_another_server_was_faster_to_claim_is_left_to_it(tmp_path: Path) -> None:
    store = LosesItsFirstClaim()
    async with served(tmp_path, store) as server:
        job = await server.submit(1)
        await until(lambda: store.has_lost)
        # Here nobody else has it, so it is queued still, and its turn comes.
        assert (await server.ended(job)).attempt == 1


class StillListsIt(InMemoryJobStore):
    """A store in which a job was found queued just before it was cancelled and removed."""

    has_found = False

    async def next_queued(self, *args: Any, **options: Any) -> Job | None:
        """Find the removed job once, and then those that there are."""
        if not self.has_found:
            self.has_found = True
            return make_job(9)
        return await super().next_queued(*args, **options)


async def test_a_job_that_is_removed_while_it_is_started_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path, StillListsIt()) as server:
        job = await server.submit(1)
        assert (await server.ended(job)).state is JobState.DONE
    assert "held up" not in caplog.text
