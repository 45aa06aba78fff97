# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store in memory keeps the contract, and the contract notices a store that does not."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deepaas.errors import IllegalTransition
from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import JobStore
from deepaas.store.monitoring import MonitoringStore
from deepaas.store.versions import VersionStore
from deepaas.testing import (
    InMemoryJobStore,
    InMemoryMonitoringStore,
    InMemoryVersionStore,
    JobStoreContract,
    MonitoringStoreContract,
    VersionStoreContract,
    make_job,
)


class TestInMemoryJobStore(JobStoreContract):
    """The contract, on the store in memory; both servers share one object."""

    def setup_method(self) -> None:
        """Make the object that both servers share."""
        self.store = InMemoryJobStore()

    async def open_store(self, tmp_path: Path) -> JobStore:
        """Return the shared object."""
        return self.store


class TestInMemoryJobStoreAsContext(JobStoreContract):
    """The contract, with the other way to open a store."""

    def setup_method(self) -> None:
        """Make the object that both servers share."""
        self.store = InMemoryJobStore()

    @asynccontextmanager
    async def open_store(self, tmp_path: Path) -> AsyncIterator[JobStore]:
        """Lend the shared object."""
        yield self.store


class TestInMemoryMonitoringStore(MonitoringStoreContract):
    """The contract of stores of what was seen, on the store in memory."""

    def setup_method(self) -> None:
        """Make the object that both servers share."""
        self.store = InMemoryMonitoringStore()

    @asynccontextmanager
    async def open_store(self, tmp_path: Path) -> AsyncIterator[MonitoringStore]:
        """Lend the shared object."""
        yield self.store


class TestInMemoryVersionStore(VersionStoreContract):
    """The contract of stores of versions, on the store in memory."""

    def setup_method(self) -> None:
        """Make the object that both servers share."""
        self.store = InMemoryVersionStore()

    @asynccontextmanager
    async def open_store(self, tmp_path: Path) -> AsyncIterator[VersionStore]:
        """Lend the shared object."""
        yield self.store


class LastEndWins(InMemoryJobStore):
    """Breaks one promise."""

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Overwrite an end."""
        job = await self.get(job_id)
        return self._keep(job.evolve(state=end.state, finished=end.finished))


class Broken(TestInMemoryJobStore):
    """The contract, on a store that breaks it."""

    __test__ = False

    def setup_method(self) -> None:
        """Make the broken store."""
        self.store = LastEndWins()


@pytest.mark.parametrize("promise", ["test_the_first_end_wins", "test_an_end_must_be_final"])
def test_the_contract_notices_a_broken_promise(tmp_path: Path, promise: str) -> None:
    contract = Broken()
    contract.setup_method()
    with pytest.raises(AssertionError):
        getattr(contract, promise)(tmp_path)


def test_the_contract_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError):
        JobStoreContract().open_store(tmp_path)
    with pytest.raises(NotImplementedError):
        VersionStoreContract().open_store(tmp_path)


def test_the_store_in_memory_checks_every_move() -> None:
    """Even where a method of its own forgets to."""
    with pytest.raises(IllegalTransition, match="from done to queued"):
        InMemoryJobStore()._move(make_job(state=JobState.DONE), JobState.QUEUED)


def test_importing_needs_no_pytest() -> None:
    script = "import sys, deepaas.testing; sys.exit('pytest' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
