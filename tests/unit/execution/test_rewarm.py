# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""After a training that succeeds, the workers of its model are replaced, and of no other."""

import asyncio
from pathlib import Path

from deepaas.execution.inline import InlinePool
from deepaas.execution.rewarm import Rewarming
from deepaas.records import JobState
from deepaas.testing import make_job
from tests.unit.execution.fakes import SOURCE
from tests.unit.execution.scene import scene
from tests.unit.parts import until


async def test_trainings_that_end_meanwhile_are_followed_by_one_renewal_more() -> None:
    async with scene() as s:
        rewarming = Rewarming({"cat": s.pool})
        done = make_job(state=JobState.DONE)
        rewarming.on_end(done)
        await until(lambda: len(s.workers) == 2)
        rewarming.on_end(done)
        rewarming.on_end(done)
        s.workers[1].load()
        await until(lambda: len(s.workers) == 3)
        s.workers[2].load()
        await until(lambda: s.workers[1].page.is_stopping)
        await s.rest()
        assert len(s.workers) == 3
        rewarming.on_end(done)
        await until(lambda: len(s.workers) == 4)
        await rewarming.close()
        assert not s.workers[2].page.is_stopping


async def test_nothing_follows_what_did_not_succeed_or_is_of_others(tmp_path: Path) -> None:
    async with scene() as s:
        inline = InlinePool(SOURCE, warm=True, on_loaded=lambda _: None)
        rewarming = Rewarming({"cat": s.pool, "cow": inline})
        for changes in (
            {"state": JobState.ERROR},
            {"state": JobState.CANCELLED},
            {"kind": "predict"},
            {"model": "dog"},
            {"model": "cow"},
        ):
            rewarming.on_end(make_job(state=JobState.DONE).evolve(**changes))
        await asyncio.sleep(0.02)
        assert len(s.workers) == 1
        await rewarming.close()
        await inline.close(grace_s=0)
