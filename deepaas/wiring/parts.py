# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is opened in several steps."""

import asyncio
from dataclasses import dataclass

from deepaas.execution.base import ModelPool
from deepaas.execution.local import LocalExecutor
from deepaas.service import JobObserver, JobService, Monitoring, PredictionQueue, VersionService


@dataclass(frozen=True, slots=True)
class Parts:
    """What is opened in several steps."""

    executor: LocalExecutor
    pools: dict[str, ModelPool]
    jobs: JobService
    versions: VersionService
    queue: PredictionQueue
    job_observer: JobObserver
    monitoring: Monitoring


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # whoever waited for it has it already
