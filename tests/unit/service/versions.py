# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The versions of one model, whose workers a test moves, on stores in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from deepaas.auth import Policy, Principal
from deepaas.errors import StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.pool import Pool
from deepaas.execution.presence import ServerPresence
from deepaas.model.registry import ModelRegistry
from deepaas.records import JobEnd, JobState
from deepaas.service import JobService, Switching, VersionService
from deepaas.service.versions import ShownVersion
from deepaas.store.versions import Candidates, ModelVersion, VersionChoice
from deepaas.testing import NOON, InMemoryJobStore, InMemoryVersionStore, make_job
from tests.unit.execution.fakes import SOURCE, HandExecutor, HandWorker
from tests.unit.parts import until

WHO = Principal("ada", frozenset(Policy))


class FailingVersionStore(InMemoryVersionStore):
    """A store whose methods fail while they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: set[str] = set()
        #: What a drop waits for.
        self.may_drop = asyncio.Event()
        self.may_drop.set()

    def _try(self, name: str) -> None:
        if name in self.fails:
            raise StorageUnavailable(f"no {name}")

    async def serve(self, model: str, *, server: str, now: datetime) -> VersionChoice:
        """Fail or choose."""
        self._try("serve")
        return await super().serve(model, server=server, now=now)

    async def drop(self, model: str, number: int, *, server: str, reason: str) -> None:
        """Fail, or drop, and be heard or not."""
        self._try("drop")
        await self.may_drop.wait()
        await super().drop(model, number, server=server, reason=reason)
        self._try("answer of a drop")

    async def choice(self, model: str) -> VersionChoice:
        """Fail or tell."""
        self._try("choice")
        return await super().choice(model)

    async def candidates(self) -> Candidates:
        """Fail or tell."""
        self._try("candidates")
        return await super().candidates()


@dataclass
class Stage:
    """What servers share, and what a test does to it."""

    folder: Path
    jobs: InMemoryJobStore = field(default_factory=InMemoryJobStore)
    store: FailingVersionStore = field(default_factory=FailingVersionStore)

    def directory(self, number: int) -> JobDirectory:
        return JobDirectory(self.folder / "jobs" / make_job(number).id)

    async def trained(
        self, number: int, state: JobState = JobState.DONE, *, keeps: bool = True, **changes: Any
    ) -> str:
        """Leave a training that has ended, and return its id."""
        job = make_job(number, **changes)
        directory = self.directory(number)
        directory.create(b"{}")
        if keeps:
            (directory.artifacts / "model").write_bytes(b"weights")
        await self.jobs.add(job)
        if state.is_final:
            await self.jobs.finish(job.id, JobEnd(state, NOON))
        return job.id


@dataclass
class Scene(Stage):
    """A server on it."""

    pool: Pool = None  # type: ignore[assignment]  # set where it is made
    executor: HandExecutor = field(default_factory=HandExecutor)
    presence: ServerPresence = None  # type: ignore[assignment]
    switching: Switching = None  # type: ignore[assignment]
    versions: VersionService = None  # type: ignore[assignment]

    @property
    def workers(self) -> list[HandWorker]:
        return self.executor.workers

    async def started(self, number: int) -> HandWorker:
        """Wait until a worker was started, and return it."""
        await until(lambda: len(self.workers) > number)
        return self.workers[number]

    def promote(self, job: str, *, waits: bool = True) -> "asyncio.Task[ShownVersion]":
        return asyncio.create_task(self.versions.promote("cat", job, principal=WHO, waits=waits))

    async def promoted(self, number: int) -> ModelVersion:
        """Promote a new training to its end."""
        before = len(self.workers)
        promoting = self.promote(await self.trained(number))
        (await self.started(before)).load()
        return (await promoting).version

    async def states(self) -> dict[int, str]:
        found = await self.versions.list("cat")
        return {shown.version.number: str(shown.version.state) for shown in found}


@asynccontextmanager
async def scene(
    stage: Stage, *, size: int = 1, load: bool = True, opened: bool = True
) -> AsyncIterator[Scene]:
    """Open a server."""
    registry = ModelRegistry()
    there = Scene(stage.folder, stage.jobs, stage.store)
    there.pool = Pool(SOURCE, executor=there.executor, size=size, warm=True, on_loaded=registry.put)
    pools = {"cat": there.pool}
    jobs = JobService(registry, pools, is_enabled=True, store=stage.jobs)
    there.presence = ServerPresence(stage.folder / "servers")
    there.switching = Switching(pools, in_place=False)
    there.versions = VersionService(registry, pools, there.switching, jobs)
    if opened:
        there.versions.open(
            stage.store, stage.jobs, presence=there.presence, folder=stage.folder / "jobs"
        )
    if load:
        there.pool.start(await there.switching.to_start("cat"))
        for worker in there.workers:
            worker.load()
        await there.pool.wait_loaded()
    try:
        yield there
    finally:
        await there.versions.close()
        closing = asyncio.create_task(there.pool.close(grace_s=0))
        await asyncio.sleep(0)
        for worker in there.workers:
            if not worker.is_gone:
                worker.die(0)
        await closing
        there.presence.close()
