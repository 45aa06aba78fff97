# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Models are looked at from time to time; what was seen can be asked for later."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepaas.errors import ModelNotFound, StorageUnavailable, Unavailable
from deepaas.finishing import finished
from deepaas.service import Monitoring, Service
from deepaas.service.monitoring import quantile
from deepaas.service.traffic import PREDICT_ROUTE, Asked
from deepaas.store.monitoring import Seen, Series, Step
from deepaas.testing import InMemoryMonitoringStore, make_job
from tests.unit.parts import echo_service, until

MINUTE = timedelta(minutes=1)
HOUR = datetime(2026, 11, 26, 12, tzinfo=UTC)
PREDICTED = Asked("echo", PREDICT_ROUTE, "POST", "2xx")


class FailingStore(InMemoryMonitoringStore):
    """Cannot be used while it is told so, is slow, or has a fault."""

    fails = False
    fault: Exception | None = None
    #: What is put in stays under way until this is set.
    may_go_on: asyncio.Event | None = None
    asked = 0

    async def add(self, seen: Sequence[Seen], *, now: datetime) -> None:
        self.asked += 1
        if self.fails:
            raise StorageUnavailable("The disk is gone.")
        if self.fault is not None:
            raise self.fault
        # As a database does it: to the end, whoever waits.
        await finished(asyncio.ensure_future(self._add(seen, now)))

    async def _add(self, seen: Sequence[Seen], now: datetime) -> None:
        if self.may_go_on is not None:
            await self.may_go_on.wait()
        await super().add(seen, now=now)


@dataclass
class Scene:
    """A service that is sampled by the test."""

    service: Service
    monitoring: Monitoring
    store: FailingStore = field(default_factory=FailingStore)
    now: datetime = HOUR

    async def sample(self) -> None:
        """Sample, and let a minute go by."""
        await self.monitoring.sample()
        self.now += MINUTE

    async def seen(self, step: Step = Step.MINUTE, model: str = "echo") -> Series:
        return await self.monitoring.history(
            model, step, since=HOUR - MINUTE, until=HOUR + timedelta(days=1), limit=100
        )


@asynccontextmanager
async def scene(tmp_path: Path, interval_s: float = 0.0) -> AsyncIterator[Scene]:
    async with echo_service(tmp_path) as service:
        observed = service.observer
        there: Scene
        monitoring = Monitoring(
            observed._pools,
            service.health,
            service.traffic,
            service.jobs,
            observed._jobs,
            interval_s=interval_s,
            now=lambda: there.now,
        )
        there = Scene(service, monitoring)
        yield there
        await monitoring.close()


async def test_what_happened_since_the_last_look_is_kept(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.monitoring.open(s.store)
        await s.service.jobs._store.add(make_job(model="echo"))  # type: ignore[union-attr]
        s.service.traffic.of(PREDICTED).add(0.2)
        await s.sample()
        s.service.traffic.of(PREDICTED).add(0.004)
        s.service.traffic.of(PREDICTED).add(400.0)
        s.service.traffic.of(Asked("echo", "/v2/models/{model}/", "GET", "4xx")).add(0.1)
        await s.sample()
        first, second = await s.seen()
        assert (first.time, first.samples, first.ready) == (HOUR, 1, 1)
        assert (first.requests, first.latencies) == ({"2xx": 1}, {0.25: 1})
        assert first.jobs["queued"] == 1
        assert second.requests == {"2xx": 2, "4xx": 1}
        assert second.latencies == {0.005: 1, math.inf: 1}
        assert second.latency_sum_s == pytest.approx(400.004)
        (hour,) = await s.seen(Step.HOUR)
        assert (hour.samples, hour.requests) == (2, {"2xx": 3, "4xx": 1})


async def test_a_model_that_cannot_be_called_is_seen_so(tmp_path: Path) -> None:
    """Also one that was never loaded."""
    async with scene(tmp_path) as s:
        s.monitoring.open(s.store)
        s.service.models.fail("dog", "no such file")
        s.monitoring._pools["echo"].refuse()
        await s.sample()
        assert [(seen.samples, seen.ready) for seen in await s.seen()] == [(1, 0)]
        assert [(seen.samples, seen.ready) for seen in await s.seen(model="dog")] == [(1, 0)]
        with pytest.raises(ModelNotFound):
            await s.seen(model="cow")


async def test_what_cannot_be_kept_is_kept_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And it is told once."""
    async with scene(tmp_path) as s:
        s.monitoring.open(s.store)
        s.store.fails = True
        s.service.traffic.of(PREDICTED).add(0.2)
        await s.sample()
        await s.sample()
        assert caplog.text.count("cannot be kept: The disk is gone.") == 1
        s.store.fails = False
        await s.sample()
        (seen,) = await s.seen()
        assert (seen.time, seen.requests) == (HOUR + 2 * MINUTE, {"2xx": 1})
        s.store.fails = True
        await s.sample()
        assert caplog.text.count("cannot be kept") == 2
        s.store.fails = False


async def test_without_a_store_there_is_no_history(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.sample()
        with pytest.raises(Unavailable, match="No samples are kept"):
            await s.seen()


async def test_it_looks_by_itself_and_once_more_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last look tells of requests, not of readiness: nothing is ready by then."""
    caplog.set_level(logging.ERROR)
    async with scene(tmp_path, interval_s=0.001) as s:
        s.monitoring.open(s.store)
        await until(lambda: bool(s.store._pieces))
        s.service.traffic.of(PREDICTED).add(0.2)
        s.now = HOUR + MINUTE
        await s.monitoring.close()
        found = await s.store.read("echo", Step.HOUR, since=HOUR, until=HOUR + MINUTE, limit=1)
        assert found[0].requests == {"2xx": 1}
        assert found[0].ready == found[0].samples
        await asyncio.sleep(0)


async def test_what_is_being_kept_at_the_end_is_kept_once(tmp_path: Path) -> None:
    async with scene(tmp_path, interval_s=0.001) as s:
        s.service.traffic.of(PREDICTED).add(0.2)
        s.store.may_go_on = asyncio.Event()
        s.monitoring.open(s.store)
        await until(lambda: s.store.asked)
        closing = asyncio.create_task(s.monitoring.close())
        for _ in range(5):
            await asyncio.sleep(0)
        s.store.may_go_on.set()
        await closing
        found = await s.store.read("echo", Step.HOUR, since=HOUR, until=HOUR + MINUTE, limit=1)
        assert (s.store.asked, found[0].requests) == (2, {"2xx": 1})


async def test_a_fault_ends_neither_the_looks_nor_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, interval_s=0.001) as s:
        s.store.fault = RuntimeError("a fault")
        s.monitoring.open(s.store)
        await until(lambda: s.store.asked > 1)
        await s.monitoring.close()
    assert "a fault" in caplog.text


@pytest.mark.parametrize(
    ("latencies", "share", "expected"),
    [
        ({}, 0.5, None),
        ({0.001: 4}, 0.5, 0.0005),
        ({0.1: 10}, 1.0, 0.1),
        ({0.1: 10}, 0.5, 0.075),
        ({0.01: 9, 1.0: 1}, 0.5, 0.005 + 5 / 9 * 0.005),
        ({0.01: 9, 1.0: 1}, 0.99, 0.5 + 0.9 * 0.5),
        ({math.inf: 1}, 0.5, 300.0),
    ],
)
def test_a_share_of_the_calls_is_estimated(
    latencies: dict[float, int], share: float, expected: float | None
) -> None:
    assert quantile(latencies, share) == (expected if expected is None else pytest.approx(expected))
