# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Versions are promoted and restored, and what cannot be is said and changes nothing."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from deepaas.errors import (
    Conflict,
    JobNotFound,
    ModelNotFound,
    StorageUnavailable,
    Unavailable,
    VersionFailed,
)
from deepaas.records import JobState
from deepaas.store.versions import VersionState
from deepaas.testing import NOON
from tests.unit.parts import eventually, until
from tests.unit.service.versions import WHO, Stage, scene


async def test_a_promotion_and_back(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        first = await s.promoted(1)
        assert (first.number, first.state, first.promoted_by) == (1, VersionState.SERVED, "ada")
        assert s.workers[1].told.model_dir == str(s.directory(1).artifacts)
        assert await s.states() == {1: "served", 0: "previous"}
        back = asyncio.create_task(s.versions.rollback("cat", principal=WHO))
        (await s.started(2)).load()
        assert (await back).version.number == 0
        assert s.workers[2].told.model_dir is None
        assert await s.states() == {1: "previous", 0: "served"}


async def test_what_a_training_reported_last_stands_beside_its_version(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        job = await s.trained(1)
        event = json.dumps({"done": 1, "total": 1, "metrics": {"loss": 0.5}}) + "\n"
        s.directory(1).events.write_text(event)
        promoting = s.promote(job)
        (await s.started(1)).load()
        # The store of jobs in this scene has no runner that knows their directories.
        assert (await promoting).metrics is None
        gone = await s.store.promote("cat", "gone", server="x", by=None, now=NOON)
        await s.store.serve("cat", server="x", now=NOON)
        found = await s.versions.list("cat")
        assert [shown.version.job for shown in found] == [gone.job, job, None]


async def test_without_a_store_nothing_is_changed_and_the_reason_is_said(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path), opened=False) as s:
        calls = (
            lambda: s.versions.list("cat"),
            lambda: s.versions.promote("cat", "x", principal=WHO),
            lambda: s.versions.rollback("cat", principal=WHO),
            lambda: s.versions.is_promoted("x"),
        )
        for call in calls:
            with pytest.raises(Unavailable, match="starting"):
                await call()
        s.versions.refuse(StorageUnavailable("/secret is away"))
        for call in calls:
            with pytest.raises(StorageUnavailable):
                await call()
        assert "is not known" in s.switching.problems["cat"]
        assert "/secret" not in s.switching.problems["cat"]
        with pytest.raises(ModelNotFound):
            await s.versions.list("dog")


async def test_only_a_training_that_left_something_is_promoted(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        cases = {
            await s.trained(1, model="dog"): (JobNotFound, "is known here"),
            "0" * 32: (JobNotFound, "is known here"),
            await s.trained(2, kind="predict"): (Conflict, "is no training"),
            await s.trained(3, JobState.ERROR): (Conflict, "is error; only one that is done"),
            await s.trained(4, JobState.QUEUED): (Conflict, "is queued"),
            await s.trained(5, keeps=False): (Conflict, "left nothing in artifact_dir()"),
        }
        for job, (kind, text) in cases.items():
            with pytest.raises(kind, match=re.escape(text)):
                await s.promote(job)
        assert await s.states() == {0: "served"}
        assert len(s.workers) == 1


async def test_a_promoted_job_is_protected(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        version = await s.promoted(1)
        assert version.job is not None
        with pytest.raises(Conflict, match="was promoted"):
            await s.versions.require_not_promoted(version.job)
        other = await s.trained(2)
        await s.versions.require_not_promoted(other)
        assert not await s.versions.is_promoted(other)


async def test_a_version_that_cannot_be_loaded_is_recorded(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        promoting = s.promote(await s.trained(1))
        (await s.started(1)).fail("a strange format")
        with pytest.raises(VersionFailed, match="a strange format") as caught:
            await promoting
        assert caught.value.number == 1
        found = (await s.versions.list("cat"))[0].version
        assert (found.state, found.reason) == (VersionState.FAILED, "a strange format")


async def test_artifacts_that_cannot_be_noted_are_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    async with scene(Stage(tmp_path)) as s:
        job = await s.trained(1)
        monkeypatch.setattr("deepaas.execution.modelfiles.os.fsync", full)
        with pytest.raises(VersionFailed, match="No space left"):
            await s.promote(job)
        assert await s.states() == {1: "failed", 0: "served"}


async def test_who_does_not_wait_is_told_that_it_began_or_why_not(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        job, other = await s.trained(1), await s.trained(2)
        shown = await s.promote(job, waits=False)
        assert shown.version.state is VersionState.CANDIDATE
        with pytest.raises(Conflict, match="is being promoted"):
            await s.promote(other, waits=False)
        (await s.started(1)).load()
        await until(lambda: s.pool.version.number == 1)
        # Nobody waits for what fails either.
        await s.promote(other, waits=False)
        (await s.started(2)).fail("a strange format")
        await eventually(s.states, lambda found: found[2] == "failed")


async def test_a_caller_that_leaves_ends_nothing(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        promoting = s.promote(await s.trained(1))
        worker = await s.started(1)
        promoting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await promoting
        worker.load()
        await until(lambda: s.pool.version.number == 1)
        assert await s.states() == {1: "served", 0: "previous"}


async def test_a_service_that_closes_ends_a_promotion(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        promoting = s.promote(await s.trained(1))
        await s.started(1)
        await s.versions.close()
        with pytest.raises(asyncio.CancelledError):
            await promoting
        version = await s.store.get("cat", 1)
        assert version.state is VersionState.FAILED
        assert "server was stopped" in (version.reason or "")


async def test_a_candidate_whose_end_cannot_be_recorded_is_dropped_later(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        s.store.fails = {"serve", "drop"}
        job = await s.trained(1)
        promoting = s.promote(job)
        (await s.started(1)).load()
        with pytest.raises(StorageUnavailable, match="no serve"):
            await promoting
        s.workers[1].die(0)
        assert await s.states() == {1: "candidate", 0: "served"}
        with pytest.raises(Conflict, match="is being promoted"):
            await s.promote(job)
        s.store.fails = set()
        await s.versions.follow()
        assert await s.states() == {1: "failed", 0: "served"}
        again = s.promote(job)
        (await s.started(2)).load()
        assert (await again).version.state is VersionState.SERVED


@pytest.mark.parametrize("is_again", [True, False])
async def test_a_candidate_that_was_dropped_unheard_takes_none_after_it_away(
    tmp_path: Path, is_again: bool
) -> None:
    async with scene(Stage(tmp_path)) as s:
        job = await s.trained(1)
        promoting = s.promote(job)
        s.store.fails = {"answer of a drop"}
        (await s.started(1)).fail("a strange format")
        with pytest.raises(VersionFailed):
            await promoting
        s.store.fails = set()
        again = s.promote(job if is_again else await s.trained(2))
        worker = await s.started(2)
        await s.versions.follow()
        worker.load()
        assert (await again).version.state is VersionState.SERVED


async def test_a_candidate_that_two_drop_at_once_is_dropped(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        promoting = s.promote(await s.trained(1))
        s.store.may_drop.clear()
        (await s.started(1)).fail("a strange format")
        await asyncio.sleep(0.02)
        following = asyncio.create_task(s.versions.follow())
        await asyncio.sleep(0.02)
        s.store.may_drop.set()
        await following
        with pytest.raises(VersionFailed):
            await promoting
        assert await s.states() == {1: "failed", 0: "served"}


async def test_a_promotion_that_does_not_end_can_be_called_off(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        job = await s.trained(1)
        promoting = s.promote(job)
        worker = await s.started(1)
        kept = await s.versions.rollback("cat", 0, principal=WHO)
        assert kept.version.state is VersionState.SERVED
        with pytest.raises(Conflict, match="called off"):
            await promoting
        assert worker.stopped_s == 0
        found = await s.store.get("cat", 1)
        assert (found.state, found.reason) == (VersionState.FAILED, "The promotion was called off.")
        worker.die()
        again = s.promote(job)
        (await s.started(2)).load()
        assert (await again).version.state is VersionState.SERVED
        # Where none goes on there is nothing to call off.
        assert (await s.versions.rollback("cat", 1, principal=WHO)).version.number == 1


async def test_a_promotion_is_called_off_once_however_many_ask(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        promoting = s.promote(await s.trained(1))
        worker = await s.started(1)
        s.store.may_drop.clear()
        first = asyncio.create_task(s.versions.rollback("cat", 0, principal=WHO))
        await until(lambda: worker.stopped_s == 0)
        worker.die()
        second = asyncio.create_task(s.versions.rollback("cat", 0, principal=WHO))
        await asyncio.sleep(0.02)
        s.store.may_drop.set()
        for each in (first, second):
            assert (await each).version.state is VersionState.SERVED
        with pytest.raises(Conflict, match="called off"):
            await promoting
        assert await s.states() == {1: "failed", 0: "served"}


async def test_who_asks_at_once_for_what_is_served_is_answered_each(tmp_path: Path) -> None:
    async with scene(Stage(tmp_path)) as s:
        await s.promoted(1)
        asking = [s.versions.rollback("cat", 1, principal=WHO) for _ in range(3)]
        found = [each.version for each in await asyncio.gather(*asking)]
        assert [(each.number, each.state) for each in found] == [(1, VersionState.SERVED)] * 3


async def test_what_is_chosen_and_cannot_be_served_takes_no_candidate_away(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with scene(stage) as first, scene(stage) as s:
        await first.promoted(1)
        catching_up = asyncio.create_task(s.switching.catch_up("cat"))
        worker = await s.started(1)
        again = asyncio.create_task(s.versions.rollback("cat", 1, principal=WHO))
        await asyncio.sleep(0.02)
        promoting = s.promote(await s.trained(2))
        await eventually(s.states, lambda states: states.get(2) == "candidate")
        worker.fail("a strange format")
        await catching_up
        (await s.started(2)).fail("a strange format")
        with pytest.raises(VersionFailed):
            await again
        (await s.started(3)).load()
        assert (await promoting).version.state is VersionState.SERVED
