# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Job runners on directories of a test's own, and stores that fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepaas.errors import StorageUnavailable
from deepaas.execution.claiming import JobLimits
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.presence import ServerPresence
from deepaas.records import CallInput, IdempotencyKey, Job, ModelSource, SourceKind
from deepaas.store.base import Jobs, JobStore
from deepaas.store.scenarios import TRAINS
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.parts import ended, until

MODEL = """
import os, signal, time
from pathlib import Path
from marshmallow import fields

def get_train_args():
    file = {"type": "file", "location": "form"}
    return {
        "how": fields.Str(load_default=""),
        "numbers": fields.List(fields.Int()),
        "data": fields.Raw(metadata=file),
    }

def train(how, numbers=None, data=None):
    if how == "raise":
        raise ValueError("boom")
    if how.endswith("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how:
        Path(how + ".tmp").write_text(str(os.getpid()))
        Path(how + ".tmp").rename(how + ".pid")
        while not Path(how).exists():
            time.sleep(0.01)
    return {"numbers": numbers, "data": data and Path(data.filename).read_text()}
"""


@dataclass
class Server:
    """A job runner and what it needs."""

    runner: JobRunner
    store: JobStore
    presence: ServerPresence
    source: ModelSource
    tmp_path: Path

    def call(self, how: str = "", **given: Any) -> JobCall:
        waits = how.startswith("go") or how == "stubborn"
        query = (("how", str(self.tmp_path / how) if waits else how),)
        return JobCall(self.source, CallInput(query=query, **given), warm=True)

    async def submit(self, number: int, how: str = "", **given: Any) -> Job:
        """Submit a job; ``go…`` is one that waits for a file of that name."""
        return await self.runner.submit(make_job(number), self.call(how, **given))

    async def running(self, number: int, how: str) -> Job:
        """Submit a job and wait until its function runs."""
        job = await self.submit(number, how)
        await until((self.tmp_path / f"{how}.pid").exists)
        return await self.store.get(job.id)

    async def ended(self, job: Job) -> Job:
        """Wait for a job's recorded end."""
        return await ended(self.store, job)


@asynccontextmanager
async def served(
    tmp_path: Path,
    store: JobStore,
    *,
    slots: int = 1,
    keep: bool = False,
    models: tuple[str, ...] = ("cat",),
    grace_s: float = 5.0,
    force: asyncio.Event | None = None,
    executor: LocalExecutor | None = None,
    min_free_bytes: int = 0,
) -> AsyncIterator[Server]:
    """Open a server on the jobs in ``tmp_path``."""
    path = tmp_path / "jobs_model.py"
    path.write_text(MODEL)
    source = ModelSource("cat", SourceKind.FILE, str(path))
    (tmp_path / "jobs").mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        executor = executor or LocalExecutor()  # its guard for predictions is not needed
        stack.push_async_callback(executor.close)
        presence = ServerPresence(tmp_path / "servers")
        stack.callback(presence.close)
        runner = await stack.enter_async_context(
            JobRunner(
                store,
                tmp_path / "jobs",
                presence=presence,
                executor=executor,
                sources=dict.fromkeys(models, source),
                limits=JobLimits(slots, grace_s, min_free_bytes=min_free_bytes),
                warm=False,
                keep_trainings=keep,
                force=force,
            )
        )
        yield Server(runner, store, presence, source, tmp_path)


class Failing(InMemoryJobStore):
    """A store that fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, int] = {}

    def _fail(self, name: str) -> None:
        if self.failures.get(name):
            self.failures[name] -= 1
            raise StorageUnavailable(f"no {name}")

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Fail or keep."""
        self._fail("add")
        return await super().add(job, key)

    async def running(self) -> Jobs:
        """Fail or answer."""
        self._fail("running")
        return await super().running()


async def claim_for_nobody(store: JobStore, job: Job) -> None:
    """Claim a job for a server that is gone."""
    assert await store.claim(job.id, server="gone", models=["cat"], slots=9, **TRAINS)
