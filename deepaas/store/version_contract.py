# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The contract of stores of versions as tests; published through :mod:`deepaas.testing`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from deepaas.errors import Conflict, DeepaasError, VersionNotFound
from deepaas.store.scenarios import NOON
from deepaas.store.versions import (
    ModelVersion,
    VersionCandidate,
    VersionChoice,
    VersionState,
    VersionStore,
)

Scenario: TypeAlias = Callable[
    ["VersionStoreContract", VersionStore, VersionStore], Awaitable[None]
]


def _with_stores(scenario: Scenario) -> Callable[["VersionStoreContract", Path], None]:
    """Make a test of a scenario that gets a store as one server has it, and as another has it."""

    def test(self: "VersionStoreContract", tmp_path: Path) -> None:
        async def main() -> None:
            async with self.open_store(tmp_path) as store, self.open_store(tmp_path) as other:
                await scenario(self, store, other)

        asyncio.run(main())

    # Not functools.wraps: pytest would follow it and look for fixtures named store and other.
    test.__name__, test.__doc__ = getattr(scenario, "__name__", ""), scenario.__doc__
    return test


@contextmanager
def _raises(kind: type[DeepaasError], text: str) -> Iterator[None]:
    """Do what ``pytest.raises`` does; this module must import where pytest is missing."""
    found: DeepaasError | None = None
    try:
        yield
    except kind as exc:
        found = exc
    assert found is not None, f"{kind.__name__} was not raised"
    assert text in found.message


async def _promote(store: VersionStore, job: str, server: str = "a") -> ModelVersion:
    return await store.promote("cat", job, server=server, by="ada", now=NOON)


async def _serve(store: VersionStore, job: str) -> VersionChoice:
    """Promote a job to its end."""
    await _promote(store, job)
    return await store.serve("cat", server="a", now=NOON)


async def _states(store: VersionStore) -> dict[int, str]:
    return {version.number: version.state.value for version in await store.list("cat")}


class VersionStoreContract:
    """Every promise of :class:`~deepaas.store.versions.VersionStore` that a test can check."""

    def open_store(self, tmp_path: Path) -> AbstractAsyncContextManager[VersionStore]:
        """Open the store that belongs to ``tmp_path``.

        Called twice in a test, for two servers that share one store.
        """
        raise NotImplementedError

    @_with_stores
    async def test_at_first_the_package_is_served(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """Of any model, whether it is known or not."""
        assert await store.list("cat") == [ModelVersion("cat", 0, VersionState.SERVED)]
        assert await store.get("cat", 0) == ModelVersion("cat", 0, VersionState.SERVED)
        assert await store.choice("cat") == VersionChoice("cat")
        assert await store.choices() == {}
        assert await store.candidates() == []
        with _raises(VersionNotFound, "no version 1"):
            await store.get("cat", 1)

    @_with_stores
    async def test_a_promotion_has_two_steps(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """Until the second, what was served before is served."""
        candidate = await _promote(store, "job-1")
        expected = ModelVersion("cat", 1, VersionState.CANDIDATE, "job-1", NOON, "ada")
        assert candidate == await other.get("cat", 1) == expected
        assert await other.candidates() == [VersionCandidate("cat", 1, "a")]
        assert await other.choice("cat") == VersionChoice("cat")
        chosen = await store.serve("cat", server="a", now=NOON)
        assert chosen == await other.choice("cat") == VersionChoice("cat", 1, "job-1", 0, 1)
        assert await other.choices() == {"cat": chosen}
        assert await other.candidates() == []
        assert await _states(other) == {1: "served", 0: "previous"}

    @_with_stores
    async def test_what_is_served_already_is_no_candidate(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """Neither by its job nor by its number."""
        await _serve(store, "job-1")
        again = await _promote(other, "job-1", "b")
        assert again == await other.restore("cat", 1, server="b")
        assert again.state is VersionState.SERVED
        assert await store.candidates() == []

    @_with_stores
    async def test_one_candidate_at_a_time(self, store: VersionStore, other: VersionStore) -> None:
        """Of each model; a refused one leaves no trace."""
        await _promote(store, "job-1")
        with _raises(Conflict, "Version 1 of the model 'cat' is being promoted"):
            await _promote(other, "job-2", "b")
        with _raises(Conflict, "Version 1 of the model 'cat' is being promoted"):
            await _promote(other, "job-1", "b")
        with _raises(Conflict, "is being promoted"):
            await other.restore("cat", 0, server="b")
        assert await _states(store) == {1: "candidate", 0: "served"}
        dog = await other.promote("dog", "job-3", server="b", by=None, now=NOON)
        assert (dog.number, dog.promoted_by) == (1, None)
        assert len(await store.candidates()) == 2

    @_with_stores
    async def test_of_promotions_at_once_one_wins(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """Whichever server asks."""
        calls = [
            _promote(handle, f"job-{number}", f"{number}")
            for number, handle in enumerate([store, other] * 5)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        won = [answer for answer in answers if isinstance(answer, ModelVersion)]
        assert len(won) == 1
        assert sum(isinstance(answer, Conflict) for answer in answers) == 9
        assert await store.list("cat") == [*won, ModelVersion("cat", 0, VersionState.SERVED)]

    @_with_stores
    async def test_only_the_server_of_a_candidate_ends_it(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """By either end, once."""
        await _promote(store, "job-1")
        with _raises(Conflict, "no candidate of this server"):
            await other.serve("cat", server="b", now=NOON)
        await other.drop("cat", 1, server="b", reason="not mine")
        assert await _states(store) == {1: "candidate", 0: "served"}
        await store.drop("cat", 2, server="a", reason="of another")
        assert await _states(store) == {1: "candidate", 0: "served"}
        await store.drop("cat", 1, server="a", reason="too large: caf\udce9")
        await store.drop("cat", 1, server="a", reason="again")
        failed = await other.get("cat", 1)
        assert (failed.state, failed.reason) == (VersionState.FAILED, "too large: caf\\udce9")
        with _raises(Conflict, "no candidate of this server"):
            await store.serve("cat", server="a", now=NOON)

    @_with_stores
    async def test_a_job_keeps_its_number(self, store: VersionStore, other: VersionStore) -> None:
        """However often it is promoted; what was wrong before is forgotten once it is served."""
        await _promote(store, "job-1")
        await store.drop("cat", 1, server="a", reason="no luck")
        await _serve(store, "job-2")
        later = NOON + timedelta(1)
        again = await other.promote("cat", "job-1", server="b", by="bob", now=later)
        assert (again.number, again.promoted, again.promoted_by) == (1, NOON, "ada")
        chosen = await other.serve("cat", server="b", now=later)
        assert chosen == VersionChoice("cat", 1, "job-1", 2, 2)
        assert (await store.get("cat", 1)).reason is None
        assert await _states(store) == {2: "previous", 1: "served", 0: "previous"}

    @_with_stores
    async def test_the_version_before_can_be_restored(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """Again and again, which goes back and forth; any other by its number."""
        with _raises(Conflict, "No other version of the model 'cat' was ever served"):
            await store.restore("cat", None, server="a")
        for job in ("job-1", "job-2"):
            await _serve(store, job)
        for number, before in ((1, 2), (2, 1)):
            candidate = await other.restore("cat", None, server="b")
            assert (candidate.number, candidate.state) == (number, VersionState.CANDIDATE)
            chosen = await other.serve("cat", server="b", now=NOON)
            assert (chosen.number, chosen.previous) == (number, before)
        assert (await store.restore("cat", 0, server="a")).state is VersionState.CANDIDATE
        chosen = await store.serve("cat", server="a", now=NOON)
        assert chosen == VersionChoice("cat", 0, None, 2, 5)
        assert await _states(other) == {2: "previous", 1: "previous", 0: "served"}
        with _raises(VersionNotFound, "no version 3"):
            await store.restore("cat", 3, server="a")

    @_with_stores
    async def test_a_rollback_that_fails_changes_nothing(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """The version stays one that was served; why it was not says its reason."""
        for job in ("job-1", "job-2"):
            await _serve(store, job)
        for number in (0, 1):
            await store.restore("cat", number, server="a")
            await store.drop("cat", number, server="a", reason="no luck")
        assert await _states(other) == {2: "served", 1: "previous", 0: "previous"}
        assert (await other.get("cat", 1)).reason == "no luck"
        assert (await other.choice("cat")).serial == 2

    @_with_stores
    async def test_what_was_promoted_is_known(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """A candidate, and what was ever served; not what never could be."""
        assert not await store.is_promoted("job-1")
        await _promote(store, "job-1")
        assert await other.is_promoted("job-1")
        await store.drop("cat", 1, server="a", reason="no luck")
        assert not await other.is_promoted("job-1")
        for job in ("job-1", "job-2"):
            await _serve(store, job)
        assert await other.is_promoted("job-1")
        assert await other.is_promoted("job-2")

    @_with_stores
    async def test_a_model_s_versions_are_its_own(
        self, store: VersionStore, other: VersionStore
    ) -> None:
        """They are counted anew, and listed alone."""
        await _serve(store, "job-1")
        dog = await store.promote("dog", "job-2", server="a", by=None, now=NOON)
        assert dog.number == 1
        assert [version.job for version in await other.list("cat")] == ["job-1", None]
        assert [version.job for version in await other.list("dog")] == ["job-2", None]
        assert set(await other.choices()) == {"cat"}
