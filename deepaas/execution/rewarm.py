# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Replace the workers of a model after each of its trainings, for models that keep what they learn.

Such a model writes its weights to a place of its own, and reads them when it is loaded.
"""

import asyncio
from collections.abc import Mapping

from deepaas.execution.base import ModelPool
from deepaas.execution.pool import Pool
from deepaas.execution.reload import load_anew
from deepaas.records import Job, JobState


class Rewarming:
    """Renews the pools of one server; a training that ends meanwhile is followed by another one."""

    def __init__(self, pools: Mapping[str, ModelPool]) -> None:
        self._pools = pools
        self._wanted: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def on_end(self, job: Job) -> None:
        """Take note of a job that has ended."""
        pool = self._pools.get(job.model)
        if job.state is not JobState.DONE or job.kind != "train" or not isinstance(pool, Pool):
            return
        self._wanted.add(job.model)
        task = self._tasks.get(job.model)
        if task is None or task.done():
            self._tasks[job.model] = asyncio.create_task(
                self._renew(job.model, pool), name=f"rewarm {job.model}"
            )

    async def _renew(self, model: str, pool: Pool) -> None:
        while model in self._wanted:
            self._wanted.discard(model)
            await load_anew(pool)

    async def close(self) -> None:
        """Renew nothing more."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
