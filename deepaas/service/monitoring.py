# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Looks at each model from time to time, and keeps what it saw for who asks later."""

import asyncio
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from deepaas.errors import ModelNotFound, StorageUnavailable, Unavailable
from deepaas.execution.base import ModelPool
from deepaas.finishing import finished
from deepaas.service.health import HealthService
from deepaas.service.job_facts import JobObserver
from deepaas.service.jobs import JobService
from deepaas.service.traffic import PREDICT_ROUTE, Traffic
from deepaas.store.monitoring import MonitoringStore, Seen, Series, Step
from deepaas.telemetry.histogram import LATENCY_BOUNDS_S, Buckets

logger = logging.getLogger(__name__)

_CLOSED: Final = "No samples are kept at the moment."


@dataclass(slots=True)
class _Told:
    """What is in the store already of what a server has counted since its start."""

    statuses: Mapping[str, int] = field(default_factory=dict)
    latencies: Buckets = Buckets.empty(LATENCY_BOUNDS_S)  # noqa: RUF009 - it is frozen


class Monitoring:
    """Samples the models of one server; several servers add to the same history."""

    def __init__(
        self,
        pools: Mapping[str, ModelPool],
        health: HealthService,
        traffic: Traffic,
        jobs: JobService,
        job_observer: JobObserver,
        *,
        interval_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Sample nothing yet.

        Args:
            pools: The models.
            health: Tells which can be called.
            traffic: What was asked of them.
            jobs: Says why nothing can be kept, where that is so.
            job_observer: Counts their jobs.
            interval_s: Seconds between two samples, 0: none are taken.
            now: The time of day.
        """
        self._pools = pools
        self._health = health
        self._traffic = traffic
        self._jobs = jobs
        self._job_observer = job_observer
        self._interval_s = interval_s
        self._now = now
        self._store: MonitoringStore | None = None
        self._told: dict[str, _Told] = {}
        self._is_held_up = False
        self._task: asyncio.Task[None] | None = None
        #: Puts the last sample into the store.
        self._keeping: asyncio.Task[None] | None = None

    def open(self, store: MonitoringStore) -> None:
        """Begin to sample; the store is not closed here."""
        self._store = store
        if self._interval_s:
            self._task = asyncio.create_task(self._run(), name="monitoring")

    async def close(self) -> None:
        """Keep what was counted since the last sample, and sample no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if self._keeping is not None:
                # It is not known before what is in the store already.
                await asyncio.wait({self._keeping})
            # The models take no calls any more, which says nothing of when they did.
            await self._try_to_sample(with_readiness=False)
        self._store = None

    async def history(
        self, model: str, step: Step, *, since: datetime, until: datetime, limit: int
    ) -> Series:
        """Return what was seen of a model; see :meth:`MonitoringStore.read`.

        Raises:
            ModelNotFound: No such model.
            Unavailable, StorageUnavailable: Nothing that was kept can be read.
        """
        if model not in self._pools and model not in self._health.failures:
            raise ModelNotFound(model)
        if self._store is None:
            raise Unavailable(self._jobs.problem or _CLOSED)
        return await self._store.read(model, step, since=since, until=until, limit=limit)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._try_to_sample()

    async def _try_to_sample(self, *, with_readiness: bool = True) -> None:
        try:
            await self.sample(with_readiness=with_readiness)
        except Exception:
            logger.exception(
                "The models could not be sampled.", extra={"action": "monitoring_failed"}
            )

    async def sample(self, *, with_readiness: bool = True) -> None:
        """Look at every model, and keep what is seen.

        A store that cannot be used is told once; what was counted meanwhile is kept later.

        Args:
            with_readiness: Whether it counts as a look at whether the models can be called.
        """
        if self._store is None:
            return
        now = self._now()
        told = {name: self._count(name) for name in (*self._pools, *self._health.failures)}
        facts = await self._job_observer.facts([*self._pools])
        seen = []
        for name, counted in told.items():
            jobs: Counter[str] = Counter()
            for group, number in facts.counts.items():
                if group.model == name:
                    jobs[group.state.value] += number
            is_ready = with_readiness and (await self._health.of_model(name)).is_ready
            before = self._told.get(name, _Told())
            latencies = counted.latencies.since(before.latencies)
            seen.append(
                Seen(
                    name,
                    now,
                    samples=int(with_readiness),
                    ready=int(is_ready),
                    requests=Counter(counted.statuses) - Counter(before.statuses),
                    latencies=_sparse(latencies),
                    latency_sum_s=latencies.total,
                    jobs=jobs,
                )
            )
        self._keeping = asyncio.create_task(
            self._keep(self._store, seen, told, now), name="keeping samples"
        )
        await finished(self._keeping)

    async def _keep(
        self, store: MonitoringStore, seen: Series, told: dict[str, _Told], now: datetime
    ) -> None:
        try:
            await store.add(seen, now=now)
        except StorageUnavailable as exc:
            if not self._is_held_up:
                logger.warning(
                    "Samples of the models cannot be kept: %s",
                    exc.message,
                    extra={"action": "monitoring_held_up"},
                )
            self._is_held_up = True
            return
        self._is_held_up = False
        self._told = told

    def _count(self, model: str) -> _Told:
        return _Told(
            dict(self._traffic.statuses(model)), self._traffic.latencies(model, PREDICT_ROUTE)
        )


def _sparse(buckets: Buckets) -> dict[float, int]:
    """Return the buckets that hold something, by their upper bounds."""
    bounds = (*buckets.bounds, float("inf"))
    return {bound: n for bound, n in zip(bounds, buckets.counts, strict=True) if n}


def quantile(latencies: Mapping[float, int], share: float) -> float | None:
    """Estimate how long the quicker ``share`` of the calls took at most, in seconds.

    Within a bucket they are taken to lie evenly, and what is beyond the last bound at that bound.

    Returns:
        ``None`` where there were none.
    """
    wanted, up_to = share * sum(latencies.values()), 0
    for bound, count in sorted(latencies.items()):
        if up_to + count >= wanted:
            place = bisect_left(LATENCY_BOUNDS_S, bound)
            lower = LATENCY_BOUNDS_S[place - 1] if place else 0.0
            within = 0.0 if bound == float("inf") else (wanted - up_to) / count * (bound - lower)
            return lower + within
        up_to += count
    return None
