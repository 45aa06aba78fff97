# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whoever follows a job gets all that it writes, and nothing is left of them afterwards."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from deepaas.errors import StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import Job, JobEnd, JobState
from deepaas.service import following
from deepaas.service.following import JobWatches
from deepaas.testing import NOON, InMemoryJobStore, make_job
from tests.unit.parts import until


class Counting(InMemoryJobStore):
    """A store that counts how often it is asked, and fails when it is told to."""

    looks = 0
    fails = False

    async def get(self, job_id: str) -> Job:
        """Count, and fail or answer."""
        self.looks += 1
        if self.fails:
            raise StorageUnavailable("away")
        return await super().get(job_id)


class Scene:
    """A job that is followed."""

    def __init__(self, path: Path) -> None:
        self.store = Counting()
        self.job = make_job()
        self.directory = JobDirectory(path / self.job.id)
        self.directory.create(b"")
        self.watches = JobWatches()
        self.found: list[str] = []

    def write(self, text: str) -> None:
        with self.directory.log.open("a") as file:
            file.write(text)

    async def end(self) -> None:
        await self.store.finish(self.job.id, JobEnd(JobState.DONE, NOON))

    def follow(self, offset: int = 0) -> AsyncGenerator[str | None, None]:
        def read(start: int, is_ended: bool) -> tuple[str | None, int]:
            text = self.directory.log.read_text()[start : start + 3]
            return text, start + len(text)

        return self.watches.follow(
            self.store, self.directory, read, offset, lambda sight: sight.log_bytes
        )

    async def collect(self, offset: int = 0) -> str:
        async with aclosing(self.follow(offset)) as pieces:
            return "".join([piece async for piece in pieces if piece is not None])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    asyncio.run(made.store.add(made.job))
    return made


def watching() -> int:
    return sum(task.get_name().startswith("watch ") for task in asyncio.all_tasks())


async def test_all_that_is_written_is_told_once(scene: Scene) -> None:
    """Before the first look, while it is followed, and between the end and its record."""
    scene.write("abcdefgh")
    collecting = asyncio.create_task(scene.collect())
    await until(lambda: watching() == 1)
    scene.write("ijk")
    await asyncio.sleep(0)
    scene.write("lm")
    await scene.end()
    assert await collecting == "abcdefghijklm"
    assert await scene.collect(offset=5) == "fghijklm"
    assert await scene.collect(offset=99) == ""
    await until(lambda: watching() == 0)


async def test_one_task_looks_for_all_who_follow(scene: Scene) -> None:
    collecting = [asyncio.create_task(scene.collect()) for _ in range(20)]
    await until(lambda: scene.store.looks >= 20)
    assert watching() == 1
    before = scene.store.looks
    scene.write("abc")
    await until(lambda: scene.store.looks >= before + 3)
    assert scene.store.looks - before < 20
    await scene.end()
    assert await asyncio.gather(*collecting) == ["abc"] * 20
    await until(lambda: watching() == 0)


async def test_who_leaves_is_forgotten_and_others_go_on(scene: Scene) -> None:
    leaving, staying = (asyncio.create_task(scene.collect()) for _ in range(2))
    await until(lambda: scene.store.looks >= 2)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert watching() == 1
    scene.write("abc")
    await scene.end()
    assert await staying == "abc"
    await until(lambda: watching() == 0)


async def test_a_log_that_is_not_there_yet_is_waited_for(scene: Scene) -> None:
    collecting = asyncio.create_task(scene.collect())
    await until(lambda: scene.store.looks >= 3)
    scene.write("abc")
    await until(lambda: scene.store.looks >= 5)
    await scene.end()
    assert await collecting == "abc"


async def test_silence_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.01)
    async with aclosing(scene.follow()) as pieces:
        assert await anext(pieces) is None
        assert await anext(pieces) is None
        scene.write("abc")
        async for piece in pieces:
            if piece is not None:
                assert piece == "abc"
                break


async def test_a_job_that_is_removed_ends_it(scene: Scene) -> None:
    collecting = asyncio.create_task(scene.collect())
    await until(lambda: scene.store.looks >= 2)
    await scene.end()
    await scene.store.remove(scene.job.id)
    assert await collecting == ""


async def test_a_store_that_is_away_for_a_moment_is_waited_for(scene: Scene) -> None:
    collecting = asyncio.create_task(scene.collect())
    await until(lambda: scene.store.looks >= 2)
    scene.store.fails = True
    before = scene.store.looks
    await until(lambda: scene.store.looks >= before + 2)
    scene.store.fails = False
    scene.write("abc")
    await scene.end()
    assert await collecting == "abc"


async def test_a_store_that_is_away_at_first_is_an_error(scene: Scene) -> None:
    scene.store.fails = True
    with pytest.raises(StorageUnavailable):
        await scene.collect()
    await until(lambda: watching() == 0)


async def test_at_the_end_of_the_service_all_are_let_go(scene: Scene) -> None:
    collecting = [asyncio.create_task(scene.collect()) for _ in range(3)]
    await until(lambda: scene.store.looks >= 3)
    scene.watches.close()
    assert await asyncio.gather(*collecting) == [""] * 3
    assert await scene.collect() == ""
    await until(lambda: watching() == 0)
