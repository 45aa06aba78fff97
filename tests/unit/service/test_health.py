# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Readiness says what is missing, and asks a model for its own health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from deepaas.errors import ModelNotFound, StorageUnavailable
from deepaas.execution.messages import Answer, Failure
from deepaas.execution.pool import Pool
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription
from deepaas.service import HealthService, JobService
from deepaas.service import health as module
from deepaas.service.health import ModelHealth
from tests.unit.execution.fakes import DESCRIPTION, SOURCE, HandExecutor, HandWorker
from tests.unit.execution.scene import close
from tests.unit.parts import until

ASKED = replace(DESCRIPTION, has_health=True)


@dataclass
class Scene:
    """The health of one model, whose workers a test moves."""

    health: HealthService
    pool: Pool
    registry: ModelRegistry
    executor: HandExecutor

    @property
    def worker(self) -> HandWorker:
        return self.executor.workers[0]

    async def of_model(self) -> ModelHealth:
        return await self.health.of_model("cat")

    async def answered(self, body: bytes) -> ModelHealth:
        """Ask, and answer as the model."""
        asking = asyncio.create_task(self.of_model())
        await asyncio.sleep(0)
        call = self.worker.take()
        assert call.function == "health"
        self.worker.finish(call, body)
        return await asking


@asynccontextmanager
async def scene(
    *, size: int = 1, description: ModelDescription = DESCRIPTION, load: bool = True
) -> AsyncIterator[Scene]:
    registry = ModelRegistry()
    executor = HandExecutor()
    pool = Pool(SOURCE, executor=executor, size=size, warm=True, on_loaded=registry.put)
    problem = StorageUnavailable("/secret/path is away")
    jobs = JobService(registry, {"cat": pool}, is_enabled=True, problem=problem)
    pool.start()
    if load:
        for worker in executor.workers:
            worker.load(description)
        await pool.wait_loaded()
    try:
        yield Scene(HealthService(registry, {"cat": pool}, jobs), pool, registry, executor)
    finally:
        await close(pool, executor)


@pytest.fixture(autouse=True)
def _ask_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_AGAIN_S", 0.0)


async def test_readiness_follows_the_workers() -> None:
    async with scene(size=2, load=False) as s:
        readiness = await s.health.readiness()
        assert readiness.models == (ModelHealth("cat", 0, "The model is loading."),)
        assert not readiness.is_ready
        s.worker.load()
        await until(lambda: s.pool.ready_workers)
        readiness = await s.health.readiness()
        assert readiness.models == (ModelHealth("cat", 1, None),)
        assert readiness.is_ready
        # Trainings do not count, and no path is shown.
        assert readiness.trainings is not None
        assert "/secret" not in readiness.trainings
        s.registry.fail("dog", "no such file")
        readiness = await s.health.readiness()
        assert not readiness.is_ready
        assert readiness.models[1] == ModelHealth("dog", 0, "no such file")
        assert await s.health.of_model("dog") == readiness.models[1]
        with pytest.raises(ModelNotFound):
            await s.health.of_model("nobody")


async def test_a_service_that_ends_is_not_ready() -> None:
    async with scene() as s:
        s.pool.refuse()
        assert (await s.of_model()).reason == "The service is shutting down."


async def test_workers_that_stand_still_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: set[int] = set()
    monkeypatch.setattr("deepaas.execution.crew.is_stopped", stopped.__contains__)
    async with scene(size=2) as s:
        s.executor.pids.update({0: 10, 1: 11})
        stopped.add(10)
        assert (await s.of_model()).is_ready  # the other one serves
        stopped.add(11)
        assert (await s.of_model()).reason == "Every worker is stopped (state T)."
        stopped.clear()
        assert (await s.of_model()).is_ready


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"ok":true,"detail":null}', None),
        (b'{"ok":true,"detail":{"gpu":"warm"}}', None),
        (b'{"ok":false,"detail":"the licence has ended"}', "health() says: the licence has ended"),
        (b'{"ok":false,"detail":null}', "health() says: not ok"),
        (b"{}", "health() says: not ok"),
    ],
)
async def test_a_model_is_asked(body: bytes, reason: str | None) -> None:
    async with scene(description=ASKED) as s:
        assert (await s.answered(body)).reason == reason
        assert (await s.answered(b'{"ok":true}')).is_ready


async def test_the_log_says_once_what_a_model_complains_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer to a probe may have to leave it out."""
    async with scene(description=ASKED) as s:
        for detail in (b'"cold"', b'"cold"', b'"hot"'):
            await s.answered(b'{"ok":false,"detail":%s}' % detail)
    said = [each.getMessage() for each in caplog.records if each.name == module.__name__]
    assert said == [f"Model cat is not well: health() says: {text}" for text in ("cold", "hot")]


async def test_a_model_that_cannot_say_how_it_is() -> None:
    async with scene(description=ASKED) as s:
        asking = asyncio.create_task(s.of_model())
        await asyncio.sleep(0)
        call = s.worker.take()
        s.worker.control.send(Answer(call.id, failure=Failure("ValueError", "seven")))
        s.worker.page.end()
        assert (await asking).reason == "health() failed: ValueError: seven"


async def test_a_model_that_ends_when_it_is_asked() -> None:
    async with scene(description=ASKED) as s:
        asking = asyncio.create_task(s.of_model())
        await asyncio.sleep(0)
        s.worker.take()
        s.worker.die()
        assert "ended before it answered" in ((await asking).reason or "")


async def test_a_model_that_does_not_answer_is_not_ready_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_ANSWERS_S", 0.02)
    async with scene(description=ASKED) as s:
        asking = asyncio.create_task(s.of_model())
        await asyncio.sleep(0)
        call = s.worker.take()
        assert (await asking).reason == "health() has not answered within 0.02 s."
        # It is not asked again meanwhile: that would only wait behind.
        assert not (await s.of_model()).is_ready
        s.worker.finish(call, b'{"ok":true}')
        await until(lambda: not s.pool.is_busy)
        assert (await s.answered(b'{"ok":true}')).is_ready


async def test_a_model_that_works_is_not_asked() -> None:
    async with scene(description=ASKED) as s:
        running = asyncio.create_task(s.pool.call("predict", request_id=""))
        await asyncio.sleep(0)
        call = s.worker.take()
        assert (await s.of_model()).is_ready
        s.worker.finish(call)
        await running


async def test_many_probes_are_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_AGAIN_S", 60.0)
    async with scene(description=ASKED) as s:
        assert not (await s.answered(b'{"ok":false}')).is_ready
        for _ in range(5):
            assert not (await s.of_model()).is_ready
        assert not s.pool.is_busy
