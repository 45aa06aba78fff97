# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Another version is served at once and whole, or nothing has changed; calls go on meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deepaas.errors import ModelLoadError, OutOfMemory, StorageFull, Unavailable
from deepaas.execution import crew
from deepaas.execution.messages import LoadFailed
from deepaas.records import PACKAGE_VERSION, ServedVersion
from tests.unit.execution.scene import Scene, scene, served
from tests.unit.parts import until

FIRST = ServedVersion(1, "job-1", "/jobs/1/artifacts")
SECOND = ServedVersion(2, "job-2", "/jobs/2/artifacts")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_FIRST_BACKOFF_S", 0.02)


class Commit:
    """Makes a choice durable, when the test lets it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.count = 0
        self._error = error

    async def __call__(self) -> None:
        self.count += 1
        await self.may.wait()
        if self._error is not None:
            raise self._error


def switch(
    s: Scene,
    version: ServedVersion,
    commit: Callable[[], Awaitable[object]] | None = None,
    *,
    in_place: bool = False,
) -> "asyncio.Task[None]":
    return asyncio.create_task(s.pool.switch(version, commit=commit or Commit(), in_place=in_place))


async def started(s: Scene, number: int) -> None:
    """Wait until the worker was started."""
    await until(lambda: len(s.workers) > number)


def told(s: Scene) -> list[int]:
    """Which workers were told to end."""
    return [number for number, each in enumerate(s.workers) if each.is_told]


async def test_a_candidate_takes_no_call_before_the_choice_is_durable() -> None:
    async with scene() as s:
        commit = Commit()
        commit.may.clear()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        candidate = s.workers[1].told
        assert (candidate.model_dir, candidate.waits) == (FIRST.model_dir, True)
        assert not s.workers[0].told.waits
        s.workers[1].load()
        await until(lambda: commit.count)
        assert s.pool.ready_workers == 1
        assert s.pool.version == PACKAGE_VERSION
        assert s.loaded == s.loaded[:1]
        assert told(s) == []
        call = await s.call()
        s.workers[0].serve()
        assert (await call).version == 0
        commit.may.set()
        await switching
        assert s.pool.version == FIRST
        assert told(s) == [0]
        call = await s.call()
        await served(s.workers[1], [call])
        assert (await call).version == 1


async def test_the_other_workers_follow_one_by_one() -> None:
    async with scene(3) as s:
        switching = switch(s, FIRST)
        await started(s, 3)
        s.workers[3].load()
        await switching
        for number in (4, 5):
            await started(s, number)
            assert len(s.workers) == number + 1
            assert told(s) == list(range(number - 3))
            s.workers[number].load()
        await until(lambda: told(s) == [0, 1, 2])
        assert {worker.told.model_dir for worker in s.workers[3:]} == {FIRST.model_dir}
        assert s.pool.ready_workers == 3


async def test_a_candidate_that_cannot_load_changes_nothing() -> None:
    async with scene(2) as s:
        commit = Commit()
        switching = switch(s, FIRST, commit)
        await started(s, 2)
        # Only the exception in the worker counts, not the author's words.
        s.workers[2].fail("a strange format: not written with MemoryErrorFormat")
        with pytest.raises(ModelLoadError, match="a strange format"):
            await switching
        assert commit.count == 0
        assert s.pool.version == PACKAGE_VERSION
        assert s.pool.reason is None
        assert (told(s), len(s.workers)) == ([], 3)


async def test_a_choice_that_cannot_be_kept_changes_nothing() -> None:
    async with scene() as s:
        switching = switch(s, FIRST, Commit(StorageFull()))
        await started(s, 1)
        s.workers[1].load()
        with pytest.raises(StorageFull):
            await switching
        assert s.pool.version == PACKAGE_VERSION
        assert told(s) == [1]
        assert s.workers[1].stopped_s is not None
        s.workers[1].die(0)
        assert len(s.workers) == 2
        await served(s.workers[0], [await s.call()])


async def test_a_switch_to_what_is_served_only_commits() -> None:
    async with scene() as s:
        commit = Commit()
        await switch(s, PACKAGE_VERSION, commit)
        assert commit.count == 1
        assert len(s.workers) == 1


async def test_a_switch_that_is_cancelled_ends_its_candidate() -> None:
    async with scene() as s:
        switching = switch(s, FIRST)
        await started(s, 1)
        switching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await switching
        assert s.workers[1].stopped_s == 0
        s.workers[1].die()
        assert s.pool.version == PACKAGE_VERSION
        assert len(s.workers) == 2


async def test_a_worker_that_dies_is_replaced_by_the_version_that_is_served_then() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[0].die()
        assert s.workers[3].told.model_dir is None
        s.workers[2].load()
        await switching
        await started(s, 4)
        s.workers[1].die()  # whose follower loads already
        assert s.workers[5].told.model_dir == FIRST.model_dir


async def test_a_candidate_that_dies_after_the_choice_is_followed_by_another() -> None:
    async with scene() as s:
        commit = Commit()
        commit.may.clear()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        s.workers[1].load()
        await until(lambda: commit.count)
        s.workers[1].die()
        commit.may.set()
        await switching
        assert s.pool.version == FIRST
        await served(s.workers[0], [await s.call()])
        await started(s, 2)
        s.workers[2].load()
        await until(lambda: told(s) == [0])


async def test_in_place_a_candidate_that_dies_after_the_choice_is_replaced() -> None:
    async with scene() as s:
        commit = Commit()
        commit.may.clear()
        switching = switch(s, FIRST, commit, in_place=True)
        await until(lambda: told(s) == [0])
        s.workers[0].die(0)
        await started(s, 1)
        s.workers[1].load()
        await until(lambda: commit.count)
        s.workers[1].die()
        waiting = await s.call()
        commit.may.set()
        await switching
        await started(s, 2)
        assert s.workers[2].told.model_dir == FIRST.model_dir
        s.workers[2].load()
        await served(s.workers[2], [waiting])
        assert (await waiting).version == 1


async def test_a_candidate_that_ends_as_soon_as_it_is_warm_changes_nothing() -> None:
    async with scene() as s:
        commit = Commit()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        s.workers[1].load()
        s.workers[1].die(3)
        with pytest.raises(ModelLoadError, match="ended at once"):
            await switching
        assert commit.count == 0
        assert (told(s), len(s.workers)) == ([], 2)


async def test_a_candidate_whose_end_is_not_known_yet_is_replaced_when_it_is() -> None:
    async with scene() as s:
        commit = Commit()
        commit.may.clear()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        s.workers[1].load()
        await until(lambda: commit.count)
        s.workers[1].control.close()
        commit.may.set()
        await switching
        s.workers[1].die()
        assert s.workers[2].told.model_dir == FIRST.model_dir
        s.workers[2].load()
        await s.ready()


# Processes that do not end


@pytest.mark.parametrize("in_place", [True, False])
async def test_a_worker_that_has_finished_and_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    monkeypatch.setattr(crew, "_LOOK_S", 0.005)
    async with scene() as s:
        await s.call()
        call = s.workers[0].take()
        switching = switch(s, FIRST, in_place=in_place)
        if not in_place:
            await started(s, 1)
            s.workers[1].load()
        await until(lambda: told(s) == [0])
        await s.rest()
        assert s.workers[0].stopped_s is None  # it may take as long as it likes
        s.workers[0].finish(call)
        await until(lambda: s.workers[0].stopped_s is not None)
        s.workers[0].die()
        await started(s, 1)
        if in_place:
            s.workers[1].load()
        await switching


async def test_a_worker_that_cannot_load_and_does_not_end_is_killed() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].control.send(LoadFailed("a strange format", ""))
        await until(lambda: s.workers[2].stopped_s is not None)
        s.workers[2].die()
        with pytest.raises(ModelLoadError):
            await switching
        renewing = asyncio.create_task(s.pool.replace_workers())
        await started(s, 3)
        s.workers[3].control.send(LoadFailed("a strange format", ""))
        with pytest.raises(ModelLoadError):
            await renewing
        assert s.workers[3].stopped_s is not None


# Memory


async def test_in_place_what_is_served_ends_first_and_calls_wait() -> None:
    async with scene() as s:
        running = await s.call()
        call = s.workers[0].take()
        switching = switch(s, FIRST, in_place=True)
        await until(lambda: told(s) == [0])
        waiting = await s.call()
        assert len(s.workers) == 1
        s.workers[0].finish(call)
        await running
        s.workers[0].die(0)
        await started(s, 1)
        assert not waiting.done()
        s.workers[1].load()
        await switching
        await served(s.workers[1], [waiting])
        assert (await waiting).version == 1


async def test_in_place_a_version_that_fails_brings_back_what_was_served() -> None:
    for error in (None, StorageFull()):
        async with scene() as s:
            switching = switch(s, FIRST, Commit(error), in_place=True)
            await until(lambda: told(s) == [0])
            s.workers[0].die(0)
            await started(s, 1)
            if error is None:
                s.workers[1].fail("a strange format")
            else:
                s.workers[1].load()
            with pytest.raises((ModelLoadError, StorageFull)):
                await switching
            await started(s, 2)
            assert s.workers[2].told.model_dir is None
            s.workers[2].load()
            await s.ready()
            await served(s.workers[2], [await s.call()])


@pytest.mark.parametrize("how", ["killed", "told"])
async def test_a_candidate_that_runs_out_of_memory_is_loaded_alone(how: str) -> None:
    async with scene() as s:
        switching = switch(s, FIRST)
        await started(s, 1)
        if how == "killed":
            s.workers[1].die(-9)
        else:
            s.workers[1].fail("warm() raised RuntimeError.", lacks_memory=True)
        await until(lambda: told(s) == [0])
        s.workers[0].die(0)
        await started(s, 2)
        s.workers[2].load()
        await switching
        assert s.pool.version == FIRST


async def test_a_version_for_which_memory_is_never_enough() -> None:
    async with scene() as s:
        switching = switch(s, FIRST)
        await started(s, 1)
        s.workers[1].die(-9)
        await until(lambda: told(s) == [0])
        s.workers[0].die(0)
        await started(s, 2)
        s.workers[2].die(-9)
        with pytest.raises(OutOfMemory):
            await switching
        await started(s, 3)
        s.workers[3].load()
        await s.ready()
        assert s.pool.version == PACKAGE_VERSION


async def test_in_place_the_other_workers_follow_in_place() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST, in_place=True)
        await until(lambda: told(s) == [0])
        s.workers[0].die(0)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await until(lambda: told(s) == [0, 1])
        assert len(s.workers) == 3
        s.workers[1].die(0)
        await started(s, 3)
        # By the ordinary way, which tries again.
        assert not s.workers[3].told.waits
        s.workers[3].fail("the disk is away")
        await started(s, 4)
        s.workers[4].load()
        await s.ready(2)


async def test_a_follower_that_fails_beside_is_tried_in_place() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await started(s, 3)
        s.workers[3].load()
        s.workers[3].die(-9)  # at once
        await until(lambda: told(s) == [0, 1])
        s.workers[1].die(0)
        await started(s, 4)
        assert s.workers[4].told.model_dir == FIRST.model_dir
        s.workers[4].load()
        await s.ready(2)


# What comes meanwhile


async def test_a_switch_need_not_wait_for_the_workers_that_follow_another() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await started(s, 3)  # loads for an hour
        back = switch(s, PACKAGE_VERSION)
        await s.die(s.workers[3])
        await started(s, 4)
        assert s.workers[4].told.model_dir is None
        s.workers[4].load()
        await back
        # The other one never left.
        assert told(s) == [0, 2]
        assert s.pool.ready_workers == 2
        await s.rest()
        assert len(s.workers) == 5


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_follower_that_is_killed_as_it_gets_warm_is_not_let_to_serve(turns: int) -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await started(s, 3)
        follower = s.workers[3]
        follower.load()
        # In one of these turns its word is heard, and nobody has acted on it.
        for _ in range(turns):
            await asyncio.sleep(0)
        back = switch(s, PACKAGE_VERSION)
        await until(lambda: follower.stopped_s == 0)
        await s.rest()
        assert told(s) == [0]
        assert s.pool.ready_workers == 2
        follower.die()
        await started(s, 4)
        s.workers[4].load()
        await back
        await until(lambda: told(s) == [0, 2])
        await s.rest()
        assert len(s.workers) == 5


async def test_a_switch_that_fails_lets_what_followed_go_on() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await started(s, 3)
        failing = switch(s, SECOND)
        await s.die(s.workers[3])
        await started(s, 4)
        s.workers[4].fail("a strange format")
        with pytest.raises(ModelLoadError):
            await failing
        await started(s, 5)
        assert s.workers[5].told.model_dir == FIRST.model_dir
        s.workers[5].load()
        await until(lambda: told(s) == [0, 1])


async def test_a_switch_takes_over_from_a_renewal_and_from_one_in_place() -> None:
    async with scene(2) as s:
        renewing = asyncio.create_task(s.pool.replace_workers())
        await started(s, 2)
        switching = switch(s, FIRST, in_place=True)
        await s.die(s.workers[2])
        await until(lambda: told(s) == [0])
        s.workers[0].die(0)
        await started(s, 3)
        s.workers[3].load()
        await switching
        await renewing
        await until(lambda: told(s) == [0, 1])
        s.workers[1].die(0)
        await started(s, 4)  # loads for an hour
        back = switch(s, SECOND)
        await started(s, 5)
        s.workers[5].load()
        await back
        s.workers[4].load()
        await started(s, 6)
        assert s.workers[6].told.model_dir == SECOND.model_dir
        s.workers[6].load()
        await s.ready(2)


async def test_a_renewal_goes_on_after_a_switch_that_fails() -> None:
    async with scene(2) as s:
        renewing = asyncio.create_task(s.pool.replace_workers())
        await started(s, 2)
        s.workers[2].load()
        await started(s, 3)
        switching = switch(s, FIRST)
        await s.die(s.workers[3])
        await started(s, 4)
        s.workers[4].fail("a strange format")
        with pytest.raises(ModelLoadError):
            await switching
        await started(s, 5)
        assert s.workers[5].told.model_dir is None
        assert not renewing.done()
        s.workers[5].load()
        await renewing
        assert told(s) == [0, 1]
        assert len(s.workers) == 6


async def test_a_renewal_renews_the_version_that_is_served() -> None:
    async with scene() as s:
        switching = switch(s, FIRST)
        renewing = asyncio.create_task(s.pool.replace_workers())
        await started(s, 1)
        s.workers[1].load()
        await switching
        await started(s, 2)
        assert s.workers[2].told.model_dir == FIRST.model_dir
        s.workers[2].load()
        await renewing
        assert told(s) == [0, 1]


@pytest.mark.parametrize("in_place", [True, False])
async def test_a_pool_that_closes_ends_a_switch(in_place: bool) -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST, in_place=in_place)
        await until(lambda: told(s) == [0] if in_place else len(s.workers) > 2)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        for worker in s.workers:
            worker.die(0)
        await closing
        with pytest.raises(Unavailable, match="shutting down"):
            await switching
        with pytest.raises(Unavailable, match="shutting down"):
            await switch(s, FIRST)
        assert len(s.workers) == (2 if in_place else 3)


async def test_a_pool_that_closes_while_the_choice_is_made_durable() -> None:
    async with scene() as s:
        commit = Commit()
        commit.may.clear()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        s.workers[1].load()
        await until(lambda: commit.count)
        closing = asyncio.create_task(s.pool.close(grace_s=1.0))
        await asyncio.sleep(0)
        commit.may.set()
        await switching
        assert s.pool.version == FIRST
        for worker in s.workers:
            worker.die(0)
        await closing
        assert len(s.workers) == 2


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_pool_that_closes_as_a_candidate_gets_warm(turns: int) -> None:
    async with scene() as s:
        commit = Commit()
        switching = switch(s, FIRST, commit)
        await started(s, 1)
        s.workers[1].load()
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.create_task(s.pool.close(grace_s=1.0))
        await s.rest()
        for worker in s.workers:
            worker.die(0)
        await closing
        with pytest.raises(Unavailable, match="shutting down"):
            await switching
        assert commit.count == 0


async def test_a_pool_that_closes_ends_what_follows() -> None:
    async with scene(2) as s:
        switching = switch(s, FIRST)
        await started(s, 2)
        s.workers[2].load()
        await switching
        await started(s, 3)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        for worker in s.workers:
            worker.die(0)
        await closing
        assert len(s.workers) == 4


# The start


async def test_a_start_that_failed_is_made_anew_with_another_version() -> None:
    async with scene(2, load=False) as s:
        call = await s.call()
        s.workers[0].load()
        await s.ready()
        s.workers[1].fail("a strange format")
        with pytest.raises(ModelLoadError):
            await s.pool.wait_loaded()
        restarting = asyncio.create_task(s.pool.restart(FIRST))
        await s.die(s.workers[0])
        await restarting
        assert [worker.told.model_dir for worker in s.workers[2:]] == [FIRST.model_dir] * 2
        for worker in s.workers[2:]:
            worker.load()
        await s.pool.wait_loaded()
        assert s.pool.reason is None
        await served(s.workers[2], [call])
        s.workers[3].die()
        assert s.workers[4].told.model_dir == FIRST.model_dir


async def test_a_pool_that_closes_is_not_started_anew() -> None:
    async with scene(2, load=False) as s:
        s.workers[1].fail("a strange format")
        with pytest.raises(ModelLoadError):
            await s.pool.wait_loaded()
        restarting = asyncio.create_task(s.pool.restart(FIRST))
        await until(lambda: s.workers[0].stopped_s == 0)
        closing = asyncio.create_task(s.pool.close(grace_s=0))
        await asyncio.sleep(0)
        s.workers[0].die()
        await asyncio.gather(restarting, closing)
        assert len(s.workers) == 2


async def test_a_start_anew_that_is_cancelled_leaves_the_ends_of_workers_to_others() -> None:
    async with scene(2, load=False) as s:
        s.workers[1].fail("a strange format")
        with pytest.raises(ModelLoadError):
            await s.pool.wait_loaded()
        restarting = asyncio.create_task(s.pool.restart(FIRST))
        await until(lambda: s.workers[0].stopped_s == 0)
        restarting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await restarting
        s.workers[0].die()
        assert len(s.workers) == 2
