# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the whole service: pick the drivers, connect the objects, close them again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deepaas.config import Settings
from deepaas.errors import ConfigurationError, ModelLoadError, StorageUnavailable
from deepaas.execution.base import ModelPool, PoolLimits
from deepaas.execution.claiming import JobLimits
from deepaas.execution.inline import InlinePool
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.pool import Pool
from deepaas.execution.presence import ServerPresence
from deepaas.execution.queued import QueuedRunner
from deepaas.execution.reload import SourceWatch, load_all_anew
from deepaas.execution.removal import sweep_removed
from deepaas.execution.rewarm import Rewarming
from deepaas.model.registry import ModelRegistry
from deepaas.records import Job, ModelDescription, ModelSource
from deepaas.service import (
    Drain,
    EvaluationService,
    HealthService,
    JobHistory,
    JobService,
    PredictionQueue,
    PredictionService,
    Service,
    Switching,
    VersionService,
)
from deepaas.service.predictions import error_of
from deepaas.service.removing import remove_ended
from deepaas.service.retention import Retention, RetentionLimits
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.sqlite_ended import SqliteEndedJobs
from deepaas.store.sqlite_versions import SqliteVersionStore
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
        pools = _make_pools(settings, sources, executor, registry, stack)
        jobs = JobService(
            registry,
            pools,
            is_enabled=settings.train_endpoint,
            are_shown=settings.predict_endpoint,
            is_starting=True,
        )
        predictions = PredictionService(registry, pools, is_enabled=settings.predict_endpoint)
        switching = Switching(pools, in_place=settings.promote_in_place)
        versions = VersionService(registry, pools, switching, jobs)
        health = HealthService(registry, pools, jobs, switching.problems)
        history = JobHistory(jobs, versions)
        queue = PredictionQueue(
            pools, predictions, jobs, history, max_jobs=settings.predict_max_jobs
        )
        parts = _Parts(executor, pools, jobs, versions, queue)
        opened = await stack.enter_async_context(AsyncExitStack())
        loading = asyncio.create_task(
            _load(settings, opened, parts, registry, force), name="loading"
        )
        # Ended before what it opens is closed.
        stack.push_async_callback(_end_task, loading)
        if not settings.listen_early:
            await asyncio.shield(loading)
        yield Service(
            registry,
            predictions,
            jobs,
            history,
            versions,
            EvaluationService(jobs, versions),
            health,
            queue,
            executor.uploads,
            loading,
            transcript,
            drain=Drain(pools),
            renew=lambda: load_all_anew(pools.values()),
        )


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
        stack.push_async_callback(_end_task, task)
    return pools


async def _end_task(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # whoever waited for it has it already


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is opened in several steps."""

    executor: LocalExecutor
    pools: dict[str, ModelPool]
    jobs: JobService
    versions: VersionService
    queue: PredictionQueue


@dataclass(frozen=True, slots=True)
class _State:
    """The open state directory."""

    jobs: SqliteJobStore
    presence: ServerPresence
    #: Holds a directory for each job.
    folder: Path


async def _load(
    settings: Settings,
    stack: AsyncExitStack,
    parts: _Parts,
    registry: ModelRegistry,
    force: asyncio.Event | None,
) -> None:
    """Load what was chosen, then let trainings run; without a state directory, the packages."""
    try:
        state = await _open_state(settings, stack)
    except StorageUnavailable as problem:
        logger.warning(problem.message, extra={"action": "state_dir_unusable"})
        parts.versions.refuse(problem)
        await _load_models(settings, registry, parts)
        parts.jobs.refuse(problem)
        # What it opens is closed after it has ended.
        later = await stack.enter_async_context(AsyncExitStack())
        opening = _keep_opening(settings, later, parts, force)
        task = asyncio.create_task(opening, name="opening the state directory")
        stack.push_async_callback(_end_task, task)
        return
    _open_versions(stack, parts, state)
    await _load_models(settings, registry, parts)
    await parts.versions.follow()
    await _open_jobs(settings, stack, parts, state, force)


async def _keep_opening(
    settings: Settings, stack: AsyncExitStack, parts: _Parts, force: asyncio.Event | None
) -> None:
    """Try again until the state directory can be used."""
    while True:
        await asyncio.sleep(_OPEN_AGAIN_S)
        try:
            state = await _open_state(settings, stack)
        except StorageUnavailable as problem:
            parts.jobs.refuse(problem)
            continue
        except ConfigurationError as exc:
            # A newer version wrote it, and another try would find the same.
            logger.error(exc.message, extra={"action": "state_dir_unusable"})
            parts.jobs.refuse(StorageUnavailable(exc.message))
            return
        _open_versions(stack, parts, state)
        await parts.versions.follow()
        await _open_jobs(settings, stack, parts, state, force)
        logger.info("Trainings are taken from now on.", extra={"action": "state_dir_usable"})
        return


def _open_versions(stack: AsyncExitStack, parts: _Parts, state: _State) -> None:
    parts.versions.open(
        SqliteVersionStore(state.jobs.database),
        state.jobs,
        presence=state.presence,
        folder=state.folder,
    )
    stack.push_async_callback(parts.versions.close)


async def _load_models(settings: Settings, registry: ModelRegistry, parts: _Parts) -> None:
    """Start the workers; the models load at the same time."""
    for name, pool in parts.pools.items():
        pool.start(await parts.versions.switching.to_start(name))
    await _wait_loaded(parts.pools, registry, parts.versions, is_named=bool(settings.model_names))


async def _wait_loaded(
    pools: dict[str, ModelPool],
    registry: ModelRegistry,
    versions: VersionService,
    *,
    is_named: bool,
) -> None:
    """Leave out what cannot be loaded, unless the operator asked for it by name."""
    for name, pool in list(pools.items()):
        try:
            await _load_some_version(name, pool, versions)
        except ModelLoadError as exc:
            if is_named or len(pools) == 1:
                raise
            logger.error("%s\n%s", exc.message, exc.traceback, extra={"action": "model_left_out"})
            registry.fail(name, exc.message)
            await pools.pop(name).close(grace_s=0)
    if not pools:
        raise ModelLoadError("None of the installed models can be loaded.", name="")


async def _load_some_version(name: str, pool: ModelPool, versions: VersionService) -> None:
    """Wait until a model is loaded: what was chosen, or else what can be served in its place."""
    while True:
        try:
            await pool.wait_loaded()
        except ModelLoadError as exc:
            version = await versions.switching.instead(name, exc)
            if version is None:
                raise
            await pool.restart(version)
        else:
            return


async def _open_state(settings: Settings, stack: AsyncExitStack) -> _State:
    """Open the state directory.

    Raises:
        StorageUnavailable: It cannot be used, which only stops trainings and promotions; nothing
            is open.
    """
    folder = settings.state_dir / "jobs"
    async with AsyncExitStack() as opened:
        try:
            store = await SqliteJobStore.open(settings.state_dir / "jobs.sqlite")
            opened.push_async_callback(store.close)
            presence = ServerPresence(settings.state_dir / "servers")
            opened.callback(presence.close)
            await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
            await sweep_removed(folder, store, is_alive=presence.is_alive)
        except (OSError, StorageUnavailable) as exc:
            raise StorageUnavailable(
                f"The state directory {settings.state_dir} cannot be used: {exc}."
                " Trainings are refused; see the option --state-dir."
            ) from exc
        stack.push_async_exit(opened.pop_all())
    return _State(store, presence, folder)


async def _open_jobs(
    settings: Settings,
    stack: AsyncExitStack,
    parts: _Parts,
    state: _State,
    force: asyncio.Event | None,
) -> None:
    """Begin to run trainings, and queued predictions."""
    pools = parts.pools
    rewarming = Rewarming(pools)
    stack.push_async_callback(rewarming.close)
    retention = _make_retention(settings, parts, state)
    stack.push_async_callback(retention.close)

    def on_end(job: Job) -> None:
        if settings.rewarm_after_train:
            rewarming.on_end(job)
        retention.on_end(job)

    def on_queued_end(job: Job) -> None:
        parts.queue.on_end(job)
        retention.on_end(job)

    runner = await stack.enter_async_context(
        JobRunner(
            state.jobs,
            state.folder,
            presence=state.presence,
            executor=parts.executor,
            sources={name: pool.source for name, pool in pools.items()},
            limits=JobLimits(
                settings.train_workers,
                settings.cancel_grace_s,
                settings.train_max_log_bytes,
                settings.jobs_min_free_bytes,
            ),
            warm=settings.warm,
            keep_trainings=settings.keep_trainings,
            force=force,
            served=lambda model: pools[model].version,
            on_end=on_end,
        )
    )
    queued = await stack.enter_async_context(
        QueuedRunner(
            state.jobs,
            state.folder,
            presence=state.presence,
            pools=pools,
            explain=error_of,
            on_end=on_queued_end,
            min_free_bytes=settings.jobs_min_free_bytes,
        )
    )
    parts.queue.open(queued)
    parts.jobs.open(state.jobs, runner)
    retention.start()


def _make_retention(settings: Settings, parts: _Parts, state: _State) -> Retention:
    return Retention(
        SqliteEndedJobs(state.jobs.database),
        state.folder,
        models=tuple(parts.pools),
        limits=RetentionLimits(
            settings.jobs_max_age, settings.jobs_max_count, settings.jobs_max_bytes
        ),
        remove=partial(
            remove_ended, server=state.presence.id, store=state.jobs, versions=parts.versions
        ),
    )
