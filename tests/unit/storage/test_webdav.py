# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""WebDAV through fsspec keeps the contract, on a server of others."""

from pathlib import Path

import pytest

from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.testing import FileStoreContract
from tests.shares import Share


class TestWebdavFileStore(FileStoreContract):
    """The contract, on WsgiDAV."""

    @pytest.fixture(autouse=True)
    def served(self, share: Share) -> None:
        self.environ = share.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("rshare", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.FSSPEC)
