# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The folder keeps the contract."""

from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore
from deepaas.storage.contract import fails
from deepaas.storage.local import LocalFileStore
from deepaas.testing import FileStoreContract


class TestLocalFileStore(FileStoreContract):
    """The contract, on a folder."""

    def open_store(self, folder: Path) -> FileStore:
        folder.mkdir()
        return LocalFileStore(folder)


def test_the_contract_notices_what_does_not_fail() -> None:
    with pytest.raises(AssertionError, match="did not fail"), fails():
        pass
    with pytest.raises(NotImplementedError):
        FileStoreContract().open_store(Path())


def test_what_the_system_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RemoteFailed, match="Not a directory"):
        LocalFileStore(tmp_path).find("file/below")
