# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The contract of stores of what was seen as tests; published through :mod:`deepaas.testing`."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from deepaas.store.monitoring import MonitoringStore, Seen, Series, Step

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The beginning of an hour.
_HOUR: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_NEVER: Final = datetime(2100, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)

Scenario: TypeAlias = Callable[
    ["MonitoringStoreContract", MonitoringStore, MonitoringStore], Awaitable[None]
]


def _with_stores(scenario: Scenario) -> Callable[["MonitoringStoreContract", Path], None]:
    """Make a test of a scenario that gets a store as one server has it, and as another has it."""

    def test(self: "MonitoringStoreContract", tmp_path: Path) -> None:
        async def main() -> None:
            async with self.open_store(tmp_path) as store, self.open_store(tmp_path) as other:
                await scenario(self, store, other)

        asyncio.run(main())

    # Not functools.wraps: pytest would follow it and look for fixtures named store and other.
    test.__name__, test.__doc__ = getattr(scenario, "__name__", ""), scenario.__doc__
    return test


def _moment(seconds: float = 0.0, **values: Any) -> Seen:
    """Return what was seen of model ``cat`` so long after the beginning of an hour."""
    return Seen("cat", _HOUR + timedelta(seconds=seconds), **values)


async def _all(
    store: MonitoringStore,
    step: Step,
    *,
    model: str = "cat",
    since: datetime = _EVER,
    until: datetime = _NEVER,
    limit: int = 10_000,
) -> Series:
    return await store.read(model, step, since=since, until=until, limit=limit)


class MonitoringStoreContract:
    """Every promise of :class:`~deepaas.store.monitoring.MonitoringStore` that can be checked."""

    def open_store(self, tmp_path: Path) -> AbstractAsyncContextManager[MonitoringStore]:
        """Open the store that belongs to ``tmp_path``.

        Called twice in a test, for two servers that share one store.
        """
        raise NotImplementedError

    @_with_stores
    async def test_what_was_seen_is_there_for_every_server(
        self, store: MonitoringStore, other: MonitoringStore
    ) -> None:
        """As a minute and as an hour, with every field."""
        seen = _moment(
            90.5,
            ready=1,
            requests={"2xx": 3, "5xx": 1},
            latencies={0.005: 2, math.inf: 1},
            latency_sum_s=400.5,
            jobs={"running": 1, "done": 7},
        )
        await store.add([seen], now=_HOUR)
        assert await _all(other, Step.MINUTE) == [seen.at(_HOUR + _MINUTE)]
        assert await _all(other, Step.HOUR) == [seen.at(_HOUR)]
        assert await _all(other, Step.HOUR, model="dog") == []

    @_with_stores
    async def test_what_is_of_one_piece_is_put_together(
        self, store: MonitoringStore, other: MonitoringStore
    ) -> None:
        """Whoever saw it: numbers are added, and of the jobs the last word counts."""
        one = {"ready": 1, "requests": {"2xx": 1}, "latencies": {0.1: 1}, "latency_sum_s": 0.25}
        await store.add([_moment(1, jobs={"queued": 1}, **one)], now=_HOUR)
        await other.add([_moment(59, jobs={"queued": 2}, **one)], now=_HOUR)
        await store.add([_moment(60, requests={"4xx": 5}, latencies={0.2: 2})], now=_HOUR)
        first, second = await _all(other, Step.MINUTE)
        assert (first.samples, first.ready, first.requests) == (2, 2, {"2xx": 2})
        assert (first.latencies, first.latency_sum_s) == ({0.1: 2}, 0.5)
        assert first.jobs == {"queued": 2}
        assert (second.samples, second.ready, second.requests) == (1, 0, {"4xx": 5})
        (hour,) = await _all(store, Step.HOUR)
        assert (hour.samples, hour.ready) == (3, 2)
        assert hour.requests == {"2xx": 2, "4xx": 5}
        assert hour.latencies == {0.1: 2, 0.2: 2}
        assert hour.jobs == {"queued": 2}

    @_with_stores
    async def test_servers_at_once_lose_nothing(
        self, store: MonitoringStore, other: MonitoringStore
    ) -> None:
        """Each addition is one step."""
        calls = [each.add([_moment()], now=_HOUR) for each in (store, other) * 10]
        await asyncio.gather(*calls)
        (minute,) = await _all(store, Step.MINUTE)
        assert minute.samples == 20

    @_with_stores
    async def test_a_span_is_read_in_order(
        self, store: MonitoringStore, other: MonitoringStore
    ) -> None:
        """From its first moment on, without its last; of too many the newest are returned."""
        await store.add([_moment(60 * minute) for minute in (3, 0, 2, 1)], now=_HOUR)
        times = [seen.time for seen in await _all(store, Step.MINUTE)]
        assert times == [_HOUR + n * _MINUTE for n in range(4)]
        span = await _all(store, Step.MINUTE, since=times[1], until=times[3])
        assert [seen.time for seen in span] == times[1:3]
        rest = await _all(store, Step.MINUTE, since=times[1] + timedelta(microseconds=1))
        assert [seen.time for seen in rest] == times[2:]
        assert [seen.time for seen in await _all(store, Step.MINUTE, limit=1)] == times[3:]
        assert await _all(store, Step.MINUTE, limit=0) == []

    @_with_stores
    async def test_what_is_too_old_is_forgotten(
        self, store: MonitoringStore, other: MonitoringStore
    ) -> None:
        """Minutes before hours; so is what lies in the future, but not what is of other models."""
        dog = Seen("dog", _HOUR)
        await store.add([_moment(), dog], now=_HOUR)
        later = _HOUR + Step.MINUTE.kept + _MINUTE
        await other.add([Seen("cat", later)], now=later)
        assert [seen.time for seen in await _all(store, Step.MINUTE)] == [later]
        assert [seen.time for seen in await _all(store, Step.HOUR)] == [
            _HOUR,
            Step.HOUR.floor(later),
        ]
        assert len(await _all(store, Step.MINUTE, model="dog")) == 1
        much_later = _HOUR + Step.HOUR.kept + timedelta(hours=1)
        await store.add([Seen("cat", much_later)], now=much_later)
        hours = [seen.time for seen in await _all(store, Step.HOUR)]
        assert hours == [Step.HOUR.floor(later), much_later]
        await store.add([_moment()], now=_HOUR)
        assert [seen.time for seen in await _all(store, Step.HOUR)] == [_HOUR]
