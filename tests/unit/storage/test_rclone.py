# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The program rclone keeps the contract, on servers of others."""

import shutil
from pathlib import Path

import pytest

from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.testing import FileStoreContract
from tests.shares import Share

pytestmark = pytest.mark.skipif(
    shutil.which("rclone") is None, reason="there is no rclone; install the package rclone"
)


class TestRcloneOnWebdav(FileStoreContract):
    """The contract, on WsgiDAV."""

    @pytest.fixture(autouse=True)
    def served(self, share: Share) -> None:
        self.environ = share.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("rshare", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.RCLONE)


class TestRcloneOnS3(FileStoreContract):
    """The contract, on moto."""

    top = "models"

    @pytest.fixture(autouse=True)
    def served(self, buckets: Share) -> None:
        self.environ = buckets.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("buckets", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.RCLONE)
