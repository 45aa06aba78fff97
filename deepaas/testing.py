# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""For tests, ours and those of driver authors: stores in memory and contracts to check drivers.

A driver's test module subclasses the contract and says how to open the driver; pytest runs every
test method of the subclass::

    class TestMyJobStore(JobStoreContract):
        async def open_store(self, tmp_path):
            return await MyJobStore.open(tmp_path / "jobs")

Importing this module needs no pytest.
"""

from deepaas.storage.contract import FileStoreContract
from deepaas.store.contract import JobStoreContract
from deepaas.store.memory import InMemoryJobStore
from deepaas.store.memory_monitoring import InMemoryMonitoringStore
from deepaas.store.memory_versions import InMemoryVersionStore
from deepaas.store.monitoring_contract import MonitoringStoreContract
from deepaas.store.scenarios import NOON, make_job, make_key
from deepaas.store.version_contract import VersionStoreContract

__all__ = [
    "NOON",
    "FileStoreContract",
    "InMemoryJobStore",
    "InMemoryMonitoringStore",
    "InMemoryVersionStore",
    "JobStoreContract",
    "MonitoringStoreContract",
    "VersionStoreContract",
    "make_job",
    "make_key",
]
