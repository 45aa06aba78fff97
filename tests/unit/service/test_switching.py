# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""At the start and afterwards a model serves what was chosen, or says why it does not."""

import asyncio
from pathlib import Path

import pytest

from deepaas.errors import ModelLoadError, VersionFailed
from deepaas.records import PACKAGE_VERSION
from deepaas.service import version_follower
from deepaas.testing import NOON
from tests.unit.parts import eventually, until
from tests.unit.service.versions import WHO, Scene, Stage, scene


async def chosen(stage: Stage, count: int = 2) -> None:
    """Let a server promote some trainings, and end."""
    async with scene(stage) as s:
        for number in range(1, count + 1):
            await s.promoted(number)


async def fallen_back(s: Scene) -> int:
    """Let each worker fail to load until there is nothing else; return how often."""
    count = 0
    while True:
        s.workers[count].fail(f"a strange format {count}")
        with pytest.raises(ModelLoadError) as caught:
            await s.pool.wait_loaded()
        count += 1
        version = await s.switching.instead("cat", caught.value)
        if version is None:
            return count
        await s.pool.restart(version)


async def test_what_was_chosen_is_served_after_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await chosen(stage)
    async with scene(stage) as s:
        assert s.pool.version.number == 2
        assert s.workers[0].told.model_dir == str(s.directory(2).artifacts)
        assert s.switching.problems == {}


async def test_a_version_with_damaged_artifacts_gives_way_to_the_one_before(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    await chosen(stage)
    (stage.directory(2).artifacts / "model").unlink()
    async with scene(stage) as s:
        assert s.pool.version.number == 1
        assert "Version 2, which was chosen, cannot be served" in s.switching.problems["cat"]
        # It is not tried again and again.
        assert not s.switching.is_behind(await s.store.choice("cat"))
    (stage.directory(1).artifacts / "model").unlink()
    async with scene(stage) as s:
        assert s.pool.version == PACKAGE_VERSION
        with pytest.raises(VersionFailed, match="cannot be read"):
            await s.versions.rollback("cat", 1, principal=WHO)


async def test_versions_that_cannot_be_loaded_give_way_down_to_the_package(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    await chosen(stage)
    async with scene(stage, load=False) as s:
        s.pool.start(await s.switching.to_start("cat"))
        assert await fallen_back(s) == 3
        folders = [worker.told.model_dir for worker in s.workers]
        expected = [str(s.directory(number).artifacts) for number in (2, 1)]
        assert folders == [*expected, None]
        assert "a strange format 0" in s.switching.problems["cat"]


async def test_a_choice_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await chosen(stage)
    stage.store.fails = {"choice"}
    async with scene(stage) as s:
        assert s.pool.version == PACKAGE_VERSION
        assert "is not known" in s.switching.problems["cat"]


async def test_a_choice_that_can_be_read_again_is_a_problem_no_more(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.store.fails = {"choice"}
    async with scene(stage) as s:
        assert "is not known" in s.switching.problems["cat"]
        stage.store.fails = set()
        await s.versions.follow()
        assert s.switching.problems == {}


async def test_a_rollback_elsewhere_rescues_a_server_whose_workers_all_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    await chosen(stage, 1)
    async with scene(stage) as first, scene(stage) as second:
        second.workers[0].die()
        second.workers[1].fail("the disk is away")
        assert second.pool.ready_workers == 0
        # Its own choice makes no problem and no hurry.
        await second.versions.follow()
        await asyncio.sleep(0.02)
        assert len(second.workers) == 2
        back = asyncio.create_task(first.versions.rollback("cat", 0, principal=WHO))
        (await first.started(1)).load()
        await back
        (await second.started(2)).load()
        await until(lambda: second.pool.version == PACKAGE_VERSION)
        await until(lambda: second.pool.ready_workers == 1)


async def test_a_server_that_cannot_read_what_was_chosen_catches_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    async with scene(stage) as first, scene(stage) as second:
        await first.promoted(1)
        stage.store.fails = {"choice"}
        await second.switching.catch_up("cat")
        assert len(second.workers) == 1
        stage.store.fails = set()
        await second.versions.follow()
        (await second.started(1)).load()
        await until(lambda: second.pool.version.number == 1)


async def test_a_server_follows_what_another_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    async with scene(stage) as first, scene(stage) as second:
        await second.versions.follow()
        await first.promoted(1)
        worker = await second.started(1)
        await asyncio.sleep(0.02)
        assert len(second.workers) == 2  # one at a time
        worker.load()
        await until(lambda: second.pool.version.number == 1)
        # One that cannot is tried once, and is told.
        await first.promoted(2)
        (await second.started(2)).fail("a strange format")
        await until(lambda: "cat" in second.switching.problems)
        await asyncio.sleep(0.02)
        assert len(second.workers) == 3
        assert "a strange format" in second.switching.problems["cat"]
        back = asyncio.create_task(first.versions.rollback("cat", principal=WHO))
        (await first.started(3)).load()
        await back
        await until(lambda: not second.switching.problems)
        assert len(second.workers) == 3


async def test_a_server_that_ends_while_it_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    async with scene(stage) as first, scene(stage) as second:
        await second.versions.follow()
        await first.promoted(1)
        worker = await second.started(1)
        await second.versions.close()
        assert worker.stopped_s == 0
        assert second.pool.version == PACKAGE_VERSION


async def test_of_two_that_bring_a_model_to_a_choice_the_second_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    async with scene(stage) as first, scene(stage) as second:
        await first.promoted(1)
        calls = [asyncio.create_task(second.switching.catch_up("cat")) for _ in range(2)]
        (await second.started(1)).load()
        await asyncio.gather(*calls)
        assert len(second.workers) == 2
        choice = await stage.store.choice("cat")
        assert not second.switching.is_behind(choice)
        # A model of another server is none of ours.
        await stage.store.promote("dog", "d", server="x", by=None, now=NOON)
        await stage.store.serve("dog", server="x", now=NOON)
        assert not second.switching.is_behind(await stage.store.choice("dog"))


async def test_the_candidate_of_a_server_that_is_gone_is_dropped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    async with scene(stage) as s, scene(stage) as other:
        job = await s.trained(1)
        await stage.store.promote("cat", job, server=other.presence.id, by=None, now=NOON)
        stage.store.fails = {"candidates"}
        await s.versions.follow()
        await until(lambda: "no candidates" in caplog.text)
        await asyncio.sleep(0.03)
        assert caplog.text.count("no candidates") == 1  # not at each look
        stage.store.fails = set()
        await asyncio.sleep(0.03)
        assert await s.states() == {1: "candidate", 0: "served"}
        await stage.store.drop("cat", 1, server=other.presence.id, reason="x")
        await stage.store.promote("cat", job, server="gone", by=None, now=NOON)
        found = await eventually(
            lambda: stage.store.get("cat", 1), lambda version: version.state == "failed"
        )
        assert "server ended" in (found.reason or "")


async def test_a_server_whose_presence_cannot_be_seen_is_looked_at_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(version_follower, "_LOOK_S", 0.005)
    stage = Stage(tmp_path)
    async with scene(stage) as s:
        job = await s.trained(1)
        await stage.store.promote("cat", job, server="gone", by=None, now=NOON)
        place = tmp_path / "servers" / "gone.lock"
        place.mkdir()  # as good as a disk that is away: it cannot be opened
        await s.versions.follow()
        await until(lambda: "Is a directory" in caplog.text)
        await asyncio.sleep(0.03)
        assert caplog.text.count("Is a directory") == 1  # not at each look
        place.rmdir()
        await eventually(
            lambda: stage.store.get("cat", 1), lambda version: version.state == "failed"
        )
