# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""S3 through fsspec keeps the contract, on a server of others."""

from pathlib import Path

import pytest

from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.testing import FileStoreContract
from tests.shares import Share


class TestS3FileStore(FileStoreContract):
    """The contract, on moto."""

    top = "models"

    @pytest.fixture(autouse=True)
    def served(self, buckets: Share, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        self.environ = buckets.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("buckets", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.FSSPEC)
