# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is removed with its directory, or stays with it."""

import asyncio
import errno
import os
from pathlib import Path
from typing import cast

import pytest

from deepaas.errors import Conflict, JobNotEnded, StorageFull, StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import Job, JobEnd, JobState
from deepaas.service.removing import remove_ended
from deepaas.service.versions import VersionService
from deepaas.testing import NOON, InMemoryJobStore, make_job


class Promoted:
    """Says that a job is promoted once it was asked so often."""

    def __init__(self, after: int) -> None:
        self._after = after

    async def require_not_promoted(self, job_id: str) -> None:
        if self._after == 0:
            raise Conflict
        self._after -= 1


class Failing:
    """Fails when it is asked again, once it may; what is asked again is aside."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_aside = asyncio.Event()
        self.may_fail = asyncio.Event()

    async def require_not_promoted(self, job_id: str) -> None:
        self.asked += 1
        if self.asked == 2:
            self.is_aside.set()
            await self.may_fail.wait()
            raise StorageUnavailable("It is locked.")


async def remove(
    tmp_path: Path, store: InMemoryJobStore, job: Job, *, promoted_after: int = 9
) -> bool:
    versions = cast("VersionService", Promoted(promoted_after))
    directory = JobDirectory(tmp_path / job.id)
    return await remove_ended(directory, server="a", store=store, versions=versions)


async def job_in(tmp_path: Path, store: InMemoryJobStore, *, is_ended: bool = True) -> Job:
    job = await store.add(make_job())
    JobDirectory(tmp_path / job.id).create(b"{}")
    return await store.finish(job.id, JobEnd(JobState.DONE, NOON)) if is_ended else job


async def test_it_goes_once(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store)
    assert await remove(tmp_path, store, job)
    assert os.listdir(tmp_path) == []
    assert await store.list() == []
    assert not await remove(tmp_path, store, job)


@pytest.mark.parametrize("promoted_after", [0, 1])
async def test_one_that_is_promoted_meanwhile_is_as_it_was(
    tmp_path: Path, promoted_after: int
) -> None:
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store)
    with pytest.raises(Conflict):
        await remove(tmp_path, store, job, promoted_after=promoted_after)
    assert os.listdir(tmp_path) == [job.id]
    assert await store.get(job.id) == job


async def test_one_that_has_not_ended_is_as_it_was(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store, is_ended=False)
    with pytest.raises(JobNotEnded):
        await remove(tmp_path, store, job)
    assert os.listdir(tmp_path) == [job.id]


@pytest.mark.parametrize("is_faster", [True, False])
async def test_of_two_servers_that_fail_and_succeed_none_leaves_a_directory(
    tmp_path: Path, is_faster: bool
) -> None:
    """Whether the one that fails puts it back before or after the other forgets the record."""
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store)
    failing = Failing()
    directory = JobDirectory(tmp_path / job.id)
    first = asyncio.create_task(
        remove_ended(directory, server="b", store=store, versions=cast("VersionService", failing))
    )
    await failing.is_aside.wait()

    class Between:
        """Lets the other one fail while this one is about to remove the record."""

        asked = 0

        async def require_not_promoted(self, job_id: str) -> None:
            self.asked += 1
            if self.asked == 2 and is_faster:
                failing.may_fail.set()
                await asyncio.wait({first})

    assert await remove_ended(
        directory, server="a", store=store, versions=cast("VersionService", Between())
    )
    failing.may_fail.set()
    with pytest.raises(StorageUnavailable):
        await first
    assert os.listdir(tmp_path) == []


async def test_without_a_store_to_ask_it_is_put_back(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store)
    failing = Failing()
    failing.may_fail.set()
    versions = cast("VersionService", failing)
    await store.close()
    with pytest.raises(StorageUnavailable):
        await remove_ended(
            JobDirectory(tmp_path / job.id), server="a", store=store, versions=versions
        )
    assert os.listdir(tmp_path) == [job.id]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EROFS, StorageUnavailable),
        (errno.EACCES, StorageUnavailable),
        (errno.EPERM, PermissionError),
    ],
)
async def test_what_is_wrong_with_every_directory_is_told_from_what_is_wrong_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    store = InMemoryJobStore()
    job = await job_in(tmp_path, store)

    def rename(path: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(error, match=os.strerror(number) if number != errno.ENOSPC else "No space"):
        await remove(tmp_path, store, job)
    assert await store.get(job.id) == job
