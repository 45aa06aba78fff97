# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What tests of job stores are made of: jobs, and stores as two servers have them."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from deepaas.records import IdempotencyKey, Job, JobState
from deepaas.store.base import JobStore

#: A moment for tests; :func:`make_job` counts from it.
NOON: Final = datetime(2026, 11, 22, 12, 0, 0, 60466, tzinfo=UTC)

#: Of a server that runs trainings, at that moment.
TRAINS: Final[dict[str, Any]] = {"kinds": ["train"], "now": NOON}
#: Of an id, those that hold the number.
_DIGITS: Final = 24

S = TypeVar("S", bound="StoreScenarios")


def make_job(number: int = 1, **changes: Any) -> Job:
    """Return a queued training of model ``cat``, made ``number`` seconds after :data:`NOON`."""
    job = Job(
        # Of this process alone: what ends a job kills the processes that carry its id.
        id=f"{os.getpid():08x}{number:0{_DIGITS}x}",
        kind="train",
        model="cat",
        state=JobState.QUEUED,
        created=NOON + timedelta(seconds=number),
    )
    return job.evolve(**changes)


def number_of(job: Job) -> int:
    """Return the number that :func:`make_job` was given."""
    return int(job.id[-_DIGITS:], 16)


def make_key(key: str = "k", **changes: Any) -> IdempotencyKey:
    """Return the key of an anonymous request for a training of model ``cat``."""
    return replace(IdempotencyKey(None, "cat", "train", key, "print"), **changes)


def with_stores(
    scenario: Callable[[S, JobStore, JobStore], Awaitable[None]],
) -> Callable[[S, Path], None]:
    """Make a test of a scenario that gets a store as one server has it, and as another has it."""

    def test(self: S, tmp_path: Path) -> None:
        async def main() -> None:
            async with self._opened(tmp_path) as store, self._opened(tmp_path) as other:
                await scenario(self, store, other)

        asyncio.run(main())

    # Not functools.wraps: pytest would follow it and look for fixtures named store and other.
    test.__name__, test.__doc__ = getattr(scenario, "__name__", ""), scenario.__doc__
    return test


@contextmanager
def raises(kind: type[Exception]) -> Iterator[None]:
    """Do what ``pytest.raises`` does; this module must import where pytest is missing."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


async def start(store: JobStore, job: Job, server: str = "a") -> Job:
    """Add a job and claim it for a server."""
    await store.add(job)
    claimed = await store.claim(job.id, server=server, models=[job.model], slots=1000, **TRAINS)
    assert claimed is not None
    return claimed


class StoreScenarios:
    """Opens the store that is tested."""

    def open_store(
        self, tmp_path: Path
    ) -> AbstractAsyncContextManager[JobStore] | Awaitable[JobStore]:
        """Open the store that belongs to ``tmp_path``.

        Called twice in a test, for two servers that share one store. A store that is returned by a
        coroutine is closed by the contract.
        """
        raise NotImplementedError

    @asynccontextmanager
    async def _opened(self, tmp_path: Path) -> AsyncIterator[JobStore]:
        opening = self.open_store(tmp_path)
        if inspect.isawaitable(opening):
            store = await opening
            try:
                yield store
            finally:
                await store.close()
        else:
            async with opening as store:
                yield store
