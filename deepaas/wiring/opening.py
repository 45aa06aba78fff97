# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the whole service: pick the drivers, connect the objects, close them again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from deepaas.config import Settings
from deepaas.execution.base import ModelPool, PoolLimits
from deepaas.execution.inline import InlinePool
from deepaas.execution.local import LocalExecutor
from deepaas.execution.pool import Pool
from deepaas.execution.reload import SourceWatch, load_all_anew
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription, ModelSource
from deepaas.service import (
    Descriptions,
    Drain,
    EvaluationService,
    HealthService,
    JobHistory,
    JobObserver,
    JobService,
    Monitoring,
    Observer,
    PredictionQueue,
    PredictionService,
    Service,
    Switching,
    Traffic,
    UrlFetcher,
    VersionService,
)
from deepaas.telemetry import Transcript
from deepaas.telemetry.stalls import LoopWatch
from deepaas.wiring.loading import load_all
from deepaas.wiring.parts import Parts, end_task

#: What a worker gets to leave once nobody waits for its answers any more.
_WORKER_LEAVES_S = 1.0


@asynccontextmanager
async def open_service(
    settings: Settings,
    sources: Sequence[ModelSource],
    transcript: Transcript | None = None,
    force: asyncio.Event | None = None,
) -> AsyncIterator[Service]:
    """Start the workers, open the store, and give the service once every model is warm.

    With ``listen_early`` the service is given at once, and its ``loading`` tells the rest, the
    errors too. With a transcript, what the prediction workers print is kept there too. While the
    service is closed, ``force`` ends the grace of running trainings.

    Raises:
        ModelLoadError: A model that was named cannot be loaded, or none of the installed ones can.
    """
    registry = ModelRegistry()
    async with AsyncExitStack() as stack:
        executor = await stack.enter_async_context(
            LocalExecutor(None if transcript is None else transcript.append)
        )
        pools = _make_pools(settings, sources, executor, registry, stack)
        watch = await stack.enter_async_context(LoopWatch(settings.watching.slow_callback_s))
        service, parts = _connect(settings, registry, pools, executor, watch)
        opened = await stack.enter_async_context(AsyncExitStack())
        loading = asyncio.create_task(
            load_all(settings, opened, parts, registry, force), name="loading"
        )
        # Ended before what it opens is closed.
        stack.push_async_callback(end_task, loading)
        if not settings.listen_early:
            await asyncio.shield(loading)
        yield replace(service, loading=loading, transcript=transcript)


def _connect(
    settings: Settings,
    registry: ModelRegistry,
    pools: dict[str, ModelPool],
    executor: LocalExecutor,
    watch: LoopWatch,
) -> tuple[Service, Parts]:
    """Make what the outside may ask for, and give with it what is still to be opened."""
    fetcher = UrlFetcher.of(settings.fetching, executor.uploads)
    jobs = JobService(
        registry,
        pools,
        is_enabled=settings.train_endpoint,
        are_shown=settings.predict_endpoint,
        is_starting=True,
        fetcher=fetcher,
    )
    predictions = PredictionService(
        registry, pools, is_enabled=settings.predict_endpoint, fetcher=fetcher
    )
    switching = Switching(pools, in_place=settings.promote_in_place)
    versions = VersionService(registry, pools, switching, jobs)
    health = HealthService(registry, pools, jobs, switching.problems)
    history = JobHistory(jobs, versions)
    most = settings.predict_max_jobs
    queue = PredictionQueue(pools, predictions, jobs, history, max_jobs=most, fetcher=fetcher)
    traffic, job_observer = Traffic(), JobObserver(jobs)
    interval_s = settings.watching.history_interval_s
    monitoring = Monitoring(pools, health, traffic, jobs, job_observer, interval_s=interval_s)
    service = Service(
        registry,
        Descriptions(registry, pools),
        predictions,
        jobs,
        history,
        versions,
        EvaluationService(jobs, versions),
        health,
        queue,
        executor.uploads,
        traffic,
        Observer(pools, health, traffic, job_observer, watch),
        monitoring,
        drain=Drain(pools),
        renew=lambda: load_all_anew(pools.values()),
    )
    return service, Parts(executor, pools, jobs, versions, queue, job_observer, monitoring)


def _make_pools(
    settings: Settings,
    sources: Sequence[ModelSource],
    executor: LocalExecutor,
    registry: ModelRegistry,
    stack: AsyncExitStack,
) -> dict[str, ModelPool]:
    """Make what runs the models; nothing runs yet."""
    limits = PoolLimits(
        settings.max_queue,
        settings.timeout_s,
        settings.worker_memory_bytes,
        settings.kill_abandoned,
    )
    pools: dict[str, ModelPool] = {}
    watched: dict[str, Pool] = {}
    watch = SourceWatch(watched)

    def loaded(description: ModelDescription) -> None:
        registry.put(description)
        watch.follow(description)

    for source in sources:
        if settings.workers == 0:
            pools[source.name] = InlinePool(source, warm=settings.warm, on_loaded=registry.put)
        else:
            watched[source.name] = pools[source.name] = Pool(
                source,
                executor=executor,
                size=settings.workers,
                warm=settings.warm,
                on_loaded=loaded if settings.reload else registry.put,
                log=settings.log,
                limits=limits,
                devices=settings.devices,
            )
        stack.push_async_callback(pools[source.name].close, grace_s=_WORKER_LEAVES_S)
        registry.expect(source.name)
    if settings.reload:
        task = asyncio.create_task(watch.run(), name="reload")
        stack.push_async_callback(end_task, task)
    return pools
