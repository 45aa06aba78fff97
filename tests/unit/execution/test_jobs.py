# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every job that was accepted has one recorded end, and a cancel is decided at once."""

import asyncio
import json
import os
import resource
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import JobNotFound, StorageFull, StorageUnavailable
from deepaas.execution import following
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import End
from deepaas.execution.messages import memory_file
from deepaas.records import IdempotencyKey, Job, JobEnd, JobState, UploadedFile
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.execution.runner import Failing, served

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


async def test_less_space_than_asked_for(tmp_path: Path) -> None:
    """It is refused before the store is asked, which would write."""
    store = InMemoryJobStore()
    free = shutil.disk_usage(tmp_path).free
    async with served(tmp_path, store, min_free_bytes=2 * free) as server:
        await store.close()
        with pytest.raises(StorageFull, match="--jobs-min-free"):
            await server.runner.require_space()
        (tmp_path / "jobs").rmdir()
        with pytest.raises(StorageUnavailable, match="No such file"):
            await server.runner.require_space()


async def test_space_that_is_there(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store, min_free_bytes=1) as server:
        await server.runner.require_space()
        await store.close()
        with pytest.raises(StorageUnavailable, match="closed"):
            await server.runner.require_space()


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


async def test_what_a_killed_server_had_submitted_by_half_is_removed(tmp_path: Path) -> None:
    """What it had submitted stays, and what another submits now does too."""
    store = InMemoryJobStore()
    async with served(tmp_path, store, slots=0) as server:
        known = await server.submit(1)
        folder = tmp_path / "jobs"
        for number, who in ((1, "gone"), (2, "gone"), (3, server.presence.id)):
            (folder / f".submitting-{who}-{make_job(number).id}").touch()
        for number in (2, 3, 4):
            (folder / make_job(number).id).mkdir()
        async with served(tmp_path, store, slots=0):
            left = set(os.listdir(folder))
    being_submitted = f".submitting-{server.presence.id}-{make_job(3).id}"
    assert left == {known.id, make_job(3).id, being_submitted, make_job(4).id}


async def test_a_mark_that_cannot_be_removed_loses_no_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path, InMemoryJobStore()) as server:
        mark = tmp_path / "jobs" / f".submitting-{server.presence.id}-{make_job(1).id}"
        store = server.store
        add = store.add

        async def add_and_spoil(job: Job, key: IdempotencyKey | None = None) -> Job:
            kept = await add(job, key)
            mark.unlink()
            mark.mkdir()
            return kept

        store.add = add_and_spoil  # type: ignore[method-assign]
        job = await server.submit(1)
        assert (await server.ended(job)).state is JobState.DONE
        assert "cannot be removed" in caplog.text
        mark.rmdir()


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


class Gated(InMemoryJobStore):
    """A store that records an end when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Wait, and record."""
        self.is_asked.set()
        await self.gate.wait()
        return await super().finish(job_id, end)


async def test_a_client_that_goes_away_leaves_no_cancel_by_half(tmp_path: Path) -> None:
    store = Gated()
    async with served(tmp_path, store, slots=0) as server:
        job = await server.submit(1)
        request = asyncio.create_task(server.runner.cancel(job.id))
        await store.is_asked.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        store.gate.set()
        assert (await server.ended(job)).state is JobState.CANCELLED


class Meanwhile(InMemoryJobStore):
    """A store that is slow to queue a job again: something else happens before."""

    before: Callable[[str], Awaitable[object]]

    async def unclaim(self, job_id: str, **options: Any) -> Job | None:
        """Let it happen, and queue the job."""
        await self.before(job_id)
        return await super().unclaim(job_id, **options)


async def test_a_cancel_while_a_job_is_queued_again_is_recorded_at_once(tmp_path: Path) -> None:
    store = Meanwhile()
    async with served(tmp_path, store) as server:
        store.before = server.runner.cancel
        job = await server.runner.submit(make_job(1, retries=1), server.call("raise"))
        found = await server.ended(job)
        assert (found.state, found.attempt) == (JobState.CANCELLED, 2)
        assert found.started is None  # it needed no slot for that
        events = server.runner.directory(job.id).events.read_text().splitlines()
        assert json.loads(events[-1])["state"] == "cancelled"


@pytest.mark.parametrize("kind", ["train", "predict"])
async def test_a_cancel_that_a_killed_server_did_not_record_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """At the next start, though no slot is free, and whatever else is queued."""
    monkeypatch.setattr(following, "_PAGE", 1)
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        waiting = await server.submit(1)
        job = await server.runner.submit(make_job(2, kind=kind), server.call())
        server.runner.directory(job.id).decide(End.now("cancelled"))
    async with served(tmp_path, server.store, slots=0) as server:
        expected = JobState.CANCELLED if kind == "train" else JobState.QUEUED
        assert (await server.store.get(job.id)).state is expected
        assert (await server.store.get(waiting.id)).state is JobState.QUEUED
