# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Readiness says what is missing."""

import asyncio

from deepaas.errors import StorageUnavailable
from deepaas.execution.pool import Pool
from deepaas.model.registry import ModelRegistry
from deepaas.service import HealthService, JobService
from deepaas.service.health import ModelHealth
from tests.unit.execution.fakes import SOURCE, HandExecutor
from tests.unit.parts import until


async def test_readiness_follows_the_workers() -> None:
    registry = ModelRegistry()
    executor = HandExecutor()
    pool = Pool(SOURCE, executor=executor, size=2, warm=True, on_loaded=registry.put)
    problem = StorageUnavailable("/secret/path is away")
    pools = {"cat": pool}
    jobs = JobService(registry, pools, is_enabled=True, problem=problem)
    health = HealthService(registry, pools, jobs)

    pool.start()
    assert health.readiness().models == (ModelHealth("cat", 0, "The model is loading."),)
    assert not health.readiness().is_ready
    executor.workers[0].load()
    await until(lambda: health.readiness().is_ready)
    assert health.readiness().models == (ModelHealth("cat", 1, None),)
    # Trainings do not count, and no path is shown.
    shown = health.readiness().trainings
    assert shown is not None
    assert "/secret" not in shown
    registry.fail("dog", "no such file")
    assert not health.readiness().is_ready
    assert health.readiness().models[1] == ModelHealth("dog", 0, "no such file")

    closing = asyncio.create_task(pool.close(grace_s=0))
    await asyncio.sleep(0)
    for worker in executor.workers:
        worker.die(0)
    await closing
