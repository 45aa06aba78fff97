# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The driver that moves the files is the one that there is."""

from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.local import LocalFileStore
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.rclone import RcloneFileStore
from deepaas.storage.remotes import Remote
from deepaas.storage.s3 import S3FileStore
from deepaas.storage.webdav import WebdavFileStore

OPTIONS = {"webdav": {"url": "https://share.example.org/"}}


def opened(kind: str, path: Path, driver: Driver = Driver.AUTO) -> FileStore:
    """Open a remote with the programs of a folder."""
    remote = Remote("a", kind, OPTIONS.get(kind, {}))
    return open_store(remote, {"PATH": str(path)}, Limits(), driver)


@pytest.mark.parametrize(("kind", "driver"), [("webdav", WebdavFileStore), ("s3", S3FileStore)])
def test_without_rclone_fsspec_does_it(tmp_path: Path, kind: str, driver: type[Any]) -> None:
    store = opened(kind, tmp_path)
    assert isinstance(store, driver)
    store.close()


def test_rclone_does_it_where_it_is_installed(tmp_path: Path) -> None:
    program = tmp_path / "rclone"
    program.touch(mode=0o755)
    for kind in ("webdav", "s3", "sftp"):
        assert isinstance(opened(kind, tmp_path), RcloneFileStore)
    store = opened("s3", tmp_path, Driver.FSSPEC)
    assert isinstance(store, S3FileStore)


def test_a_folder_needs_neither(tmp_path: Path) -> None:
    assert isinstance(opened("local", tmp_path), LocalFileStore)


def test_what_nobody_can_open_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'sftp', which needs the program rclone"):
        opened("sftp", tmp_path)
    with pytest.raises(ConfigurationError, match="no program rclone in PATH"):
        opened("s3", tmp_path, Driver.RCLONE)


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "set RCLONE_CONFIG_A_URL"), ({"url": "share.example.org"}, "must begin with https://")],
)
def test_an_address_is_needed(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_store(Remote("a", "webdav", options), {}, Limits(), Driver.FSSPEC)
