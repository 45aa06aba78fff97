# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the whole service: pick the drivers, connect the objects, close them again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from deepaas.config import Settings
from deepaas.errors import ModelLoadError, StorageUnavailable
from deepaas.execution.base import ModelPool, PoolLimits
from deepaas.execution.claiming import JobLimits
from deepaas.execution.inline import InlinePool
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.pool import Pool
from deepaas.execution.presence import ServerPresence
from deepaas.execution.reload import SourceWatch, load_all_anew
from deepaas.execution.removal import sweep_removed
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription, ModelSource
from deepaas.service import (
    Drain,
    HealthService,
    JobHistory,
    JobService,
    PredictionService,
    Service,
)
from deepaas.store.sqlite import SqliteJobStore
from deepaas.telemetry import Transcript

logger = logging.getLogger(__name__)

#: What a worker gets to leave once nobody waits for its answers any more.
_WORKER_LEAVES_S = 1.0
#: How often to try a state directory that could not be used.
_OPEN_AGAIN_S = 5.0


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
        pools = _start_pools(settings, sources, executor, registry, stack)
        jobs = JobService(registry, pools, is_enabled=settings.train_endpoint, is_starting=True)
        predictions = PredictionService(registry, pools, is_enabled=settings.predict_endpoint)
        health = HealthService(registry, pools, jobs)
        opened = await stack.enter_async_context(AsyncExitStack())
        loading = asyncio.create_task(
            _load(settings, opened, executor, registry, pools, jobs, force), name="loading"
        )
        # Ended before what it opens is closed.
        stack.push_async_callback(_end_task, loading)
        if not settings.listen_early:
            await asyncio.shield(loading)
        yield Service(
            registry,
            predictions,
            jobs,
            JobHistory(jobs),
            health,
            executor.uploads,
            loading,
            transcript,
            drain=Drain(pools),
            renew=lambda: load_all_anew(pools.values()),
        )


def _start_pools(
    settings: Settings,
    sources: Sequence[ModelSource],
    executor: LocalExecutor,
    registry: ModelRegistry,
    stack: AsyncExitStack,
) -> dict[str, ModelPool]:
    """Start what runs the models; they load at the same time."""
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
        pools[source.name].start()
    if settings.reload:
        task = asyncio.create_task(watch.run(), name="reload")
        stack.push_async_callback(_end_task, task)
    return pools


async def _end_task(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # whoever waited for it has it already


async def _load(
    settings: Settings,
    stack: AsyncExitStack,
    executor: LocalExecutor,
    registry: ModelRegistry,
    pools: dict[str, ModelPool],
    jobs: JobService,
    force: asyncio.Event | None,
) -> None:
    await _wait_loaded(pools, registry, is_named=bool(settings.model_names))
    opening = (settings, executor, pools, jobs, force)
    if not await _open_jobs(stack, *opening):
        # What it opens is closed after it has ended.
        later = await stack.enter_async_context(AsyncExitStack())
        task = asyncio.create_task(_keep_opening_jobs(later, *opening), name="opening jobs")
        stack.push_async_callback(_end_task, task)


async def _wait_loaded(
    pools: dict[str, ModelPool], registry: ModelRegistry, *, is_named: bool
) -> None:
    """Leave out what cannot be loaded, unless the operator asked for it by name."""
    for name, pool in list(pools.items()):
        try:
            await pool.wait_loaded()
        except ModelLoadError as exc:
            if is_named or len(pools) == 1:
                raise
            logger.error("%s\n%s", exc.message, exc.traceback, extra={"action": "model_left_out"})
            registry.fail(name, exc.message)
            await pools.pop(name).close(grace_s=0)
    if not pools:
        raise ModelLoadError("None of the installed models can be loaded.", name="")


async def _keep_opening_jobs(
    stack: AsyncExitStack,
    settings: Settings,
    executor: LocalExecutor,
    pools: dict[str, ModelPool],
    jobs: JobService,
    force: asyncio.Event | None,
) -> None:
    """Try again until the state directory can be used."""
    while True:
        await asyncio.sleep(_OPEN_AGAIN_S)
        if await _open_jobs(stack, settings, executor, pools, jobs, force):
            logger.info("Trainings are taken from now on.", extra={"action": "state_dir_usable"})
            return


async def _open_jobs(
    stack: AsyncExitStack,
    settings: Settings,
    executor: LocalExecutor,
    pools: dict[str, ModelPool],
    jobs: JobService,
    force: asyncio.Event | None,
) -> bool:
    """Open store and runner; a state directory that cannot be used only stops trainings."""
    async with AsyncExitStack() as opened:
        try:
            store = await SqliteJobStore.open(settings.state_dir / "jobs.sqlite")
            opened.push_async_callback(store.close)
            presence = ServerPresence(settings.state_dir / "servers")
            opened.callback(presence.close)
            (settings.state_dir / "jobs").mkdir(mode=0o700, exist_ok=True)
            await asyncio.to_thread(sweep_removed, settings.state_dir / "jobs")
        except (OSError, StorageUnavailable) as exc:
            problem = StorageUnavailable(
                f"The state directory {settings.state_dir} cannot be used: {exc}."
                " Trainings are refused; see the option --state-dir."
            )
            if jobs.is_starting:
                logger.warning(problem.message, extra={"action": "state_dir_unusable"})
            jobs.refuse(problem)
            return False
        runner = await opened.enter_async_context(
            JobRunner(
                store,
                settings.state_dir / "jobs",
                presence=presence,
                executor=executor,
                sources={name: pool.source for name, pool in pools.items()},
                limits=JobLimits(
                    settings.train_workers,
                    settings.cancel_grace_s,
                    settings.train_max_log_bytes,
                ),
                warm=settings.warm,
                keep_trainings=settings.keep_trainings,
                force=force,
            )
        )
        stack.push_async_exit(opened.pop_all())
        jobs.open(store, runner)
        return True
