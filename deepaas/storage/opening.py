# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the store that a remote is, with the driver that there is for it."""

import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.local import LocalFileStore
from deepaas.storage.remotes import Remote


class Driver(StrEnum):
    """How files are moved."""

    #: By rclone where it is installed, else by fsspec.
    AUTO = "auto"
    RCLONE = "rclone"
    FSSPEC = "fsspec"


def open_store(
    remote: Remote, environ: Mapping[str, str], limits: Limits, driver: Driver = Driver.AUTO
) -> FileStore:
    """Return the store; nothing is connected yet, and the caller closes it.

    Args:
        remote: Where the files are.
        environ: What rclone is started with.
        limits: What the store gets.
        driver: How files are moved.

    Raises:
        ConfigurationError: There is no driver for the type, or an option is missing.
        ModuleNotFoundError: The extra ``storage`` is not installed.
    """
    if remote.type == "local":
        return LocalFileStore(Path("/"))
    program = shutil.which("rclone", path=environ.get("PATH"))
    if driver is Driver.RCLONE and program is None:
        raise ConfigurationError("there is no program rclone in PATH; install it.")
    if program is not None and driver is not Driver.FSSPEC:
        from deepaas.storage.rclone import RcloneFileStore

        return RcloneFileStore(remote, program, environ, limits)
    if remote.type == "webdav":
        from deepaas.storage.webdav import WebdavFileStore

        return WebdavFileStore(remote, limits)
    if remote.type == "s3":
        from deepaas.storage.s3 import S3FileStore

        return S3FileStore(remote, limits)
    raise ConfigurationError(
        f"the remote {remote.name!r} is of type {remote.type!r}, which needs the program rclone;"
        " without it there are webdav, s3 and local."
    )
