# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""S3, and what speaks it, through fsspec and s3fs."""

from pathlib import Path
from typing import Any

from aiohttp import ClientPayloadError
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)
from s3fs import S3FileSystem

from deepaas.storage.base import Limits
from deepaas.storage.faults import Reason, causes, network_reason, reason_of_status
from deepaas.storage.remote import FsspecFileStore
from deepaas.storage.remotes import Remote

_SIGN_IN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "EntityTooLarge"})


class S3FileStore(FsspecFileStore):
    """The files of a service; the first part of a path is the bucket."""

    def __init__(self, remote: Remote, limits: Limits) -> None:
        """Connect to nothing yet."""
        options = remote.options
        endpoint = options.get("endpoint")
        if endpoint and "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        key = options.get("access_key_id")
        files = S3FileSystem(
            anon=not key and options.get("env_auth") != "true",
            key=key,
            secret=options.get("secret_access_key"),
            token=options.get("session_token"),
            endpoint_url=endpoint,
            client_kwargs={"region_name": options["region"]} if options.get("region") else {},
            config_kwargs=_client_options(remote, limits),
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        # How often is decided in one place, and not here.
        files.retries = 1
        super().__init__(remote, limits, files)

    def check(self, path: str) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        # Not by looking at the path alone, at which any page would do.
        with self._explained(path):
            self._files.ls(path)

    def _fetch(self, path: str, target: Path) -> None:
        self._files.get_file(path, target)

    def _put(self, source: Path, path: str) -> None:
        # Nobody sees an object of S3 before all of it is there.
        self._files.put_file(source, path)

    def _reason(self, exc: BaseException) -> Reason | None:
        for each in causes(exc):
            if isinstance(each, ClientError):
                return _reason_of(each.response)
            if isinstance(each, NoCredentialsError):
                return Reason.SIGN_IN
            if isinstance(each, ConnectTimeoutError | ReadTimeoutError):
                return Reason.SILENT
            if isinstance(each, ClientPayloadError):
                return Reason.BROKEN
            if isinstance(each, HTTPClientError):
                return network_reason(exc) or Reason.BROKEN
        return None

    def close(self) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        # It connects when it is used first.
        client, self._files._s3 = self._files._s3, None
        if client is not None:
            self._files.close_session(self._files.loop, client)


def _client_options(remote: Remote, limits: Limits) -> dict[str, Any]:
    options = remote.options
    # As rclone does: what is not Amazon's has buckets in the path, unless told otherwise.
    by_path = options.get("force_path_style", "true" if options.get("endpoint") else "false")
    return {
        "connect_timeout": limits.connect_s,
        "read_timeout": limits.stall_s,
        "retries": {"max_attempts": 0},
        "s3": {"addressing_style": "path" if by_path == "true" else "auto"},
    }


def _reason_of(response: Any) -> Reason:
    code = response.get("Error", {}).get("Code", "")
    if code in _SIGN_IN:
        return Reason.SIGN_IN
    if code in _FULL:
        return Reason.FULL
    if code in ("NoSuchKey", "NoSuchBucket"):
        return Reason.MISSING
    return reason_of_status(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
