# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model says of itself is asked anew, and nobody waits long for it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from deepaas.errors import Unavailable
from deepaas.execution.messages import Answer, Call, Failure, memory_file
from deepaas.execution.pool import Pool
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription
from deepaas.service import Descriptions
from deepaas.service import describing as module
from tests.unit.execution.fakes import DESCRIPTION, SOURCE, HandExecutor, HandWorker
from tests.unit.execution.scene import close, readable
from tests.unit.parts import PATIENCE_S, open_fds, until

TALKS = replace(DESCRIPTION, describes_itself=True, metadata={"at": "load"})


@dataclass
class Scene:
    """What is said of one model, whose workers a test moves."""

    descriptions: Descriptions
    registry: ModelRegistry
    pool: Pool
    workers: list[HandWorker]

    @property
    def shown(self) -> Any:
        return self.registry.get("cat").description.metadata

    def look(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self.descriptions.refresh(["cat"]))

    async def asked(self) -> Call:
        """Wait until the first worker is asked, and begin the call."""
        await until(lambda: readable(self.workers[0]))
        call = self.workers[0].take()
        assert call.function == "metadata"
        return call

    async def told(self, said: object, fd: int | None = None) -> Any:
        """Look, answer as the model, and return what is shown."""
        looking = self.look()
        call = await self.asked()
        worker = self.workers[0]
        if isinstance(said, Failure):
            worker.control.send(Answer(call.id, failure=said))
            worker.page.end(0)
        elif fd is not None:
            worker.control.send(Answer(call.id, "application/json"), (fd,))
            worker.page.end(0)
        else:
            worker.finish(call, json.dumps(said).encode())
        await looking
        return self.shown


@asynccontextmanager
async def scene(
    *, size: int = 1, description: ModelDescription = TALKS, load: bool = True
) -> AsyncIterator[Scene]:
    registry, executor = ModelRegistry(), HandExecutor()
    pool = Pool(SOURCE, executor=executor, size=size, warm=True, on_loaded=registry.put)
    pool.start()
    if load:
        for worker in executor.workers:
            worker.load(description)
        await pool.wait_loaded()
        await until(lambda: pool.ready_workers == size)
    try:
        yield Scene(Descriptions(registry, {"cat": pool}), registry, pool, executor.workers)
    finally:
        await close(pool, executor)


@pytest.fixture(autouse=True)
def _wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWERS_S", PATIENCE_S)


async def test_each_look_asks_anew() -> None:
    async with scene() as s:
        assert s.shown == {"at": "load"}
        assert await s.told({"checkpoints": ["a"]}) == {"checkpoints": ["a"]}
        assert await s.told({"checkpoints": ["a", "b"]}) == {"checkpoints": ["a", "b"]}
        # The rest of the description, and what the documents are made of, stays.
        assert s.registry.get("cat").description == replace(
            TALKS, metadata={"checkpoints": ["a", "b"]}
        )
        assert s.registry.revision == 1


async def test_a_long_answer_comes_as_a_descriptor() -> None:
    async with scene() as s:
        before = open_fds()
        fd = memory_file(b'{"long": 18446744073709551617}')
        assert await s.told(None, fd) == {"long": 2**64 + 1}
        os.close(fd)
        assert open_fds() == before


async def test_those_who_look_at_the_same_time_ask_once() -> None:
    async with scene(size=2) as s:
        looks = [s.look(), s.look()]
        assert await s.told({"n": 1}) == {"n": 1}
        await asyncio.gather(*looks)
        assert not readable(s.workers[0])


async def test_a_busy_model_is_not_asked() -> None:
    async with scene() as s:
        running = asyncio.create_task(s.pool.call("predict", request_id="r"))
        await until(lambda: readable(s.workers[0]))
        call = s.workers[0].take()
        await s.look()
        assert s.shown == {"at": "load"}
        s.workers[0].finish(call)
        await running
        assert await s.told({"n": 1}) == {"n": 1}


async def test_who_looks_does_not_wait_for_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWERS_S", 0.01)
    async with scene() as s:
        await s.look()
        assert s.shown == {"at": "load"}
        call = await s.asked()
        # Nor is it asked again meanwhile; what it says in the end is there for the next.
        await s.look()
        s.workers[0].finish(call, b'{"n": 1}')
        await until(lambda: s.shown == {"n": 1})


async def test_a_model_with_nothing_to_say_is_not_asked() -> None:
    async with scene(description=DESCRIPTION) as s:
        await s.look()
        assert not readable(s.workers[0])


async def test_a_model_that_is_not_there_is_not_asked() -> None:
    async with scene(load=False) as s:
        await s.descriptions.refresh(["cat", "dog"])
        assert not readable(s.workers[0])


async def test_what_fails_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with scene() as s:
        for trace in ("Traceback 1", "Traceback 1", ""):
            assert await s.told(Failure("OSError", "no share", trace)) == {"at": "load"}
        told = [record.getMessage() for record in caplog.records]
        assert [line.partition("\n")[2] for line in told] == ["Traceback 1", "OSError: no share"]
        assert await s.told({"n": 1}) == {"n": 1}
        await s.told(Failure("OSError", "no share"))
        assert len(caplog.records) == 3


async def test_a_worker_that_dies_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(size=2) as s:
        looking = s.look()
        await s.asked()
        s.workers[0].die()
        await looking
        assert s.shown == {"at": "load"}
        assert any("get_metadata of model cat failed" in r.getMessage() for r in caplog.records)


async def test_a_model_that_is_gone_when_it_answers() -> None:
    async with scene() as s:
        looking = s.look()
        call = await s.asked()
        s.registry.fail("cat", "It is broken.")
        s.workers[0].finish(call, b"{}")
        await looking
        assert "cat" not in s.registry


async def test_a_pool_that_ends_is_not_asked() -> None:
    async with scene() as s:
        s.pool.refuse()
        await s.look()
        with pytest.raises(Unavailable):
            await s.pool.call("metadata", request_id="")
        assert s.shown == {"at": "load"}
