# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The state directory, and the jobs that it keeps."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deepaas.config import Settings
from deepaas.errors import StorageUnavailable
from deepaas.execution.claiming import JobLimits
from deepaas.execution.jobs import JobRunner
from deepaas.execution.presence import ServerPresence
from deepaas.execution.queued import QueuedRunner
from deepaas.execution.removal import sweep_removed
from deepaas.execution.rewarm import Rewarming
from deepaas.records import Job
from deepaas.service import ArtifactPusher
from deepaas.service.predictions import error_of
from deepaas.service.removing import remove_ended
from deepaas.service.retention import Retention, RetentionLimits
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.sqlite_ended import SqliteEndedJobs
from deepaas.wiring.parts import Parts
from deepaas.wiring.storage import open_pusher


@dataclass(frozen=True, slots=True)
class State:
    """The open state directory."""

    jobs: SqliteJobStore
    presence: ServerPresence
    #: Holds a directory for each job.
    folder: Path


async def open_state(path: Path, stack: AsyncExitStack) -> State:
    """Open the state directory that lies there, or make it.

    Raises:
        StorageUnavailable: It cannot be used, which only stops trainings and promotions; nothing
            is open.
    """
    folder = path / "jobs"
    async with AsyncExitStack() as opened:
        try:
            store = await SqliteJobStore.open(path / "jobs.sqlite")
            opened.push_async_callback(store.close)
            presence = ServerPresence(path / "servers")
            opened.callback(presence.close)
            await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
            await sweep_removed(folder, store, is_alive=presence.is_alive)
        except (OSError, StorageUnavailable) as exc:
            raise StorageUnavailable(
                f"The state directory {path} cannot be used: {str(exc).rstrip('.')}."
                " Trainings are refused; see the option --state-dir."
            ) from exc
        stack.push_async_exit(opened.pop_all())
    return State(store, presence, folder)


async def open_jobs(
    settings: Settings,
    stack: AsyncExitStack,
    parts: Parts,
    state: State,
    force: asyncio.Event | None,
) -> None:
    """Begin to run trainings, and queued predictions."""
    pools = parts.pools
    rewarming = Rewarming(pools)
    stack.push_async_callback(rewarming.close)
    pusher = await open_pusher(settings, stack, state.folder, force)
    retention = _make_retention(settings, parts, state, pusher)
    stack.push_async_callback(retention.close)

    def on_end(job: Job) -> None:
        if settings.rewarm_after_train:
            rewarming.on_end(job)
        if pusher is not None:
            pusher.on_end(job)
        parts.job_observer.on_end(job)
        retention.on_end(job)

    def on_queued_end(job: Job) -> None:
        parts.queue.on_end(job)
        parts.job_observer.on_end(job)
        retention.on_end(job)

    runner = await stack.enter_async_context(
        JobRunner(
            state.jobs,
            state.folder,
            presence=state.presence,
            executor=parts.executor,
            sources={name: pool.source for name, pool in pools.items()},
            limits=_job_limits(settings),
            warm=settings.warm,
            keep_trainings=settings.keep_trainings,
            force=force,
            served=lambda model: pools[model].version,
            before_end=None if pusher is None else pusher.before_end,
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


def _job_limits(settings: Settings) -> JobLimits:
    return JobLimits(
        settings.train_workers,
        settings.cancel_grace_s,
        settings.train_max_log_bytes,
        settings.jobs_min_free_bytes,
    )


def _make_retention(
    settings: Settings, parts: Parts, state: State, pusher: ArtifactPusher | None
) -> Retention:
    remove = partial(
        remove_ended, server=state.presence.id, store=state.jobs, versions=parts.versions
    )
    return Retention(
        SqliteEndedJobs(state.jobs.database),
        state.folder,
        models=tuple(parts.pools),
        limits=RetentionLimits(
            settings.jobs_max_age, settings.jobs_max_count, settings.jobs_max_bytes
        ),
        remove=remove if pusher is None else pusher.sparing(remove),
    )
