# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Load what was chosen, and let trainings run as soon as they can be kept."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

from deepaas.config import Settings
from deepaas.errors import ConfigurationError, ModelLoadError, StorageUnavailable
from deepaas.execution.base import ModelPool
from deepaas.model.registry import ModelRegistry
from deepaas.service import VersionService
from deepaas.store.sqlite_monitoring import SqliteMonitoringStore
from deepaas.store.sqlite_versions import SqliteVersionStore
from deepaas.wiring.parts import Parts, end_task
from deepaas.wiring.place import find_state_dir
from deepaas.wiring.state import State, open_jobs, open_state
from deepaas.wiring.storage import pull_all

logger = logging.getLogger(__name__)

#: How often to try a state directory that could not be used.
_OPEN_AGAIN_S = 5.0


async def load_all(
    settings: Settings,
    stack: AsyncExitStack,
    parts: Parts,
    registry: ModelRegistry,
    force: asyncio.Event | None,
) -> None:
    """Load what was chosen, then let trainings run; without a state directory, the packages.

    Before that, what the models may need is pulled.
    """
    await pull_all(settings.storage)
    path = await find_state_dir(settings, stack, parts.executor.uploads.parent)
    try:
        state = await open_state(path, stack)
    except StorageUnavailable as problem:
        logger.warning(problem.message, extra={"action": "state_dir_unusable"})
        parts.versions.refuse(problem)
        await _load_models(settings, registry, parts)
        parts.jobs.refuse(problem)
        # What it opens is closed after it has ended.
        later = await stack.enter_async_context(AsyncExitStack())
        opening = _keep_opening(settings, path, later, parts, force)
        task = asyncio.create_task(opening, name="opening the state directory")
        stack.push_async_callback(end_task, task)
        return
    _open_stores(stack, parts, state)
    await _load_models(settings, registry, parts)
    await parts.versions.follow()
    await open_jobs(settings, stack, parts, state, force)


async def _keep_opening(
    settings: Settings,
    path: Path,
    stack: AsyncExitStack,
    parts: Parts,
    force: asyncio.Event | None,
) -> None:
    """Try again until the state directory can be used."""
    while True:
        await asyncio.sleep(_OPEN_AGAIN_S)
        try:
            state = await open_state(path, stack)
        except StorageUnavailable as problem:
            parts.jobs.refuse(problem)
            continue
        except ConfigurationError as exc:
            # A newer version wrote it, and another try would find the same.
            logger.error(exc.message, extra={"action": "state_dir_unusable"})
            parts.jobs.refuse(StorageUnavailable(exc.message))
            return
        _open_stores(stack, parts, state)
        await parts.versions.follow()
        await open_jobs(settings, stack, parts, state, force)
        logger.info("Trainings are taken from now on.", extra={"action": "state_dir_usable"})
        return


def _open_stores(stack: AsyncExitStack, parts: Parts, state: State) -> None:
    parts.versions.open(
        SqliteVersionStore(state.jobs.database),
        state.jobs,
        presence=state.presence,
        folder=state.folder,
    )
    stack.push_async_callback(parts.versions.close)
    parts.monitoring.open(SqliteMonitoringStore(state.jobs.database))
    stack.push_async_callback(parts.monitoring.close)


async def _load_models(settings: Settings, registry: ModelRegistry, parts: Parts) -> None:
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
