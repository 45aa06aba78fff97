# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every training that was accepted has one recorded end, whoever dies when."""

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import JobNotFound, StorageUnavailable
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import End
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.messages import memory_file
from deepaas.execution.presence import ServerPresence
from deepaas.records import (
    CallInput,
    IdempotencyKey,
    Job,
    JobState,
    ModelSource,
    SourceKind,
    UploadedFile,
)
from deepaas.store.base import Jobs, JobStore
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.execution.test_jobdir import first_line, holder
from tests.unit.parts import ended, eventually, until

MODEL = """
import os, time
from pathlib import Path
from marshmallow import fields

def get_train_args():
    file = {"type": "file", "location": "form"}
    return {
        "how": fields.Str(load_default=""),
        "numbers": fields.List(fields.Int()),
        "data": fields.Raw(metadata=file),
    }

def train(how, numbers=None, data=None):
    if how == "raise":
        raise ValueError("boom")
    if how:
        Path(how + ".pid").write_text(str(os.getpid()))
        while not Path(how).exists():
            time.sleep(0.01)
    return {"numbers": numbers, "data": data and Path(data.filename).read_text()}
"""


@dataclass
class Server:
    """A job runner and what it needs."""

    runner: JobRunner
    store: JobStore
    presence: ServerPresence
    source: ModelSource
    tmp_path: Path

    def call(self, how: str = "", **given: Any) -> JobCall:
        query = (("how", str(self.tmp_path / how) if how.startswith("go") else how),)
        return JobCall(self.source, CallInput(query=query, **given), warm=True)

    async def submit(self, number: int, how: str = "", **given: Any) -> Job:
        """Submit a job; ``go…`` is one that waits for a file of that name."""
        return await self.runner.submit(make_job(number), self.call(how, **given))

    async def running(self, number: int, how: str) -> Job:
        """Submit a job and wait until its function runs."""
        job = await self.submit(number, how)
        await until((self.tmp_path / f"{how}.pid").exists)
        return await self.store.get(job.id)

    async def ended(self, job: Job) -> Job:
        """Wait for a job's recorded end."""
        return await ended(self.store, job)


@asynccontextmanager
async def served(
    tmp_path: Path,
    store: JobStore,
    *,
    slots: int = 1,
    keep: bool = False,
    models: tuple[str, ...] = ("cat",),
    grace_s: float = 5.0,
) -> AsyncIterator[Server]:
    """Open a server on the jobs in ``tmp_path``."""
    path = tmp_path / "jobs_model.py"
    path.write_text(MODEL)
    source = ModelSource("cat", SourceKind.FILE, str(path))
    (tmp_path / "jobs").mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        executor = LocalExecutor()  # its guard for predictions is not needed
        stack.push_async_callback(executor.close)
        presence = ServerPresence(tmp_path / "servers")
        stack.callback(presence.close)
        runner = await stack.enter_async_context(
            JobRunner(
                store,
                tmp_path / "jobs",
                presence=presence,
                executor=executor,
                sources=dict.fromkeys(models, source),
                slots=slots,
                warm=False,
                cancel_grace_s=grace_s,
                keep_trainings=keep,
            )
        )
        yield Server(runner, store, presence, source, tmp_path)


class Failing(InMemoryJobStore):
    """A store that fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, int] = {}

    def _fail(self, name: str) -> None:
        if self.failures.get(name):
            self.failures[name] -= 1
            raise StorageUnavailable(f"no {name}")

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Fail or keep."""
        self._fail("add")
        return await super().add(job, key)

    async def running(self) -> Jobs:
        """Fail or answer."""
        self._fail("running")
        return await super().running()


# Submitting


async def test_no_space_for_a_job(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(StorageUnavailable, match="cannot be written"):
                await server.submit(1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert os.listdir(tmp_path / "jobs") == []
        assert await server.store.list() == []


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        (tmp_path / "jobs").rmdir()
        (tmp_path / "jobs").touch()
        with pytest.raises(StorageUnavailable):
            await server.submit(1)


async def test_a_job_that_the_store_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    store = Failing()
    async with served(tmp_path, store) as server:
        store.failures["add"] = 1
        with pytest.raises(StorageUnavailable, match="no add"):
            await server.submit(1)
        assert os.listdir(tmp_path / "jobs") == []


async def test_files_and_body_move_into_the_job(tmp_path: Path) -> None:
    upload = tmp_path / "a.txt"
    upload.write_text("miaow")
    bare = tmp_path / "b"
    bare.write_text("")
    files = (
        ("data", UploadedFile("data", str(upload), "text/plain", "cat.txt")),
        ("data", UploadedFile("data", str(bare), None, "b")),
    )
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.submit(1, files=files, body=b'{"numbers": [1]}')
        assert not upload.exists()
        directory = server.runner.directory(job.id)
        kept = JobCall.read(directory).input
        assert kept.files[0][1].original_filename == "cat.txt"
        assert Path(kept.files[0][1].filename or "").suffix == ".txt"
        assert Path(kept.files[1][1].filename or "").parent == directory.inputs
        done = await server.ended(job)
        assert json.loads(done.result or "") == {"numbers": [1], "data": "miaow"}


async def test_a_large_body_comes_as_memory(tmp_path: Path) -> None:
    fd = memory_file(b'{"numbers": [2]}')
    os.lseek(fd, 0, os.SEEK_END)
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.runner.submit(make_job(1), server.call(), fd)
        os.close(fd)
        done = await server.ended(job)
        assert json.loads(done.result or "")["numbers"] == [2]


# Running


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


# Cancelling


async def test_a_job_that_is_not_known(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        with pytest.raises(JobNotFound):
            await server.runner.cancel("0" * 32)


async def test_a_queued_job_is_cancelled(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        job = await server.submit(1)
        cancelled = await server.runner.cancel(job.id)
        assert cancelled.state is JobState.CANCELLED
        assert cancelled.finished is not None
        assert await server.store.get(job.id) == cancelled
        # Its directory says so too, should it be claimed meanwhile.
        end = server.runner.directory(job.id).end()
        assert end is not None
        assert end.state == "cancelled"


async def test_a_running_job_is_cancelled_and_its_slot_is_free(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        answered = await server.runner.cancel(job.id)
        assert answered.state is JobState.CANCELLED
        again = await server.runner.cancel(job.id)
        assert (again.state, again.finished) == (answered.state, answered.finished)
        assert (await server.ended(job)).finished == answered.finished
        assert (await server.ended(await server.submit(2))).state is JobState.DONE


async def test_a_cancel_after_the_end_loses(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        job = await server.submit(1)
        # The training has ended, and the store does not know yet.
        server.runner.directory(job.id).decide(End.now("done", result="1"))
        assert (await server.runner.cancel(job.id)).state is JobState.DONE
        assert (await server.runner.cancel(job.id)).result == "1"


@pytest.mark.parametrize("broken", [False, True])
async def test_a_cancel_that_cannot_be_written(tmp_path: Path, broken: bool) -> None:
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        job = await server.submit(1)
        path = server.runner.directory(job.id).path
        shutil.rmtree(path)
        if broken:
            path.touch()
            with pytest.raises(StorageUnavailable):
                await server.runner.cancel(job.id)
        else:
            assert (await server.runner.cancel(job.id)).state is JobState.ERROR


# Ending, and coming back


async def test_stopping_interrupts_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        job = await server.running(1, "go")
        waiting = await server.submit(2)
    assert (await server.store.get(job.id)).state is JobState.INTERRUPTED
    assert (await server.store.get(waiting.id)).state is JobState.QUEUED
    async with served(tmp_path, server.store) as server:
        assert (await server.ended(waiting)).state is JobState.DONE


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
    await store.claim(job.id, server="gone", models=["cat"], slots=1, now=datetime.now(UTC))
    if begun:
        directory.begin(1)
    if outcome is not None:
        directory.write_outcome(outcome)
    async with served(tmp_path, store) as server:
        job = await server.ended(job)
    assert (job.state, job.attempt) == (state, attempt)
