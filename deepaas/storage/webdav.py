# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""WebDAV, NextCloud's above all, through fsspec and webdav4."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

import httpx
from webdav4.client import Client, HTTPError, InsufficientStorage, ResourceNotFound
from webdav4.fsspec import WebdavFileSystem, translate_info
from webdav4.urls import join_url_path

from deepaas.errors import ConfigurationError
from deepaas.storage.base import Limits
from deepaas.storage.faults import Reason, causes, reason_of_status
from deepaas.storage.parts import part_of
from deepaas.storage.remote import FsspecFileStore
from deepaas.storage.remotes import Remote

#: Of folders in folders; a share whose links lead in a circle would be listed for ever.
_DEPTH: Final = 100
#: Of whatever is read into memory: the list of a folder with some hundred thousand files.
_MOST_BYTES: Final = 256 * 1024 * 1024


class _Client(Client):
    """webdav4's, which takes a path with a percent sign for one that is quoted already."""

    def join_url(self, path: str, add_trailing_slash: bool = False) -> httpx.URL:
        """Return the address of a path, whatever characters it has."""
        joined = join_url_path(self.base_url.path, path) + "/" * add_trailing_slash
        base: httpx.URL = self.base_url
        return base.copy_with(raw_path=quote(joined).encode())


class _Files(WebdavFileSystem):
    """webdav4's, which takes spaces off the ends of a folder's name when it lists it."""

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List a folder; errors stay as they are, since fsspec leaves out what it cannot list."""
        if path.count("/") > _DEPTH:
            raise ValueError("its folders have no end")
        found = self.client.ls(self._strip_protocol(path), allow_listing_resource=False)
        entries = [translate_info(each) for each in found]
        return entries if detail else [each["name"] for each in entries]


class _Bounded(httpx.SyncByteStream):
    """A body that may not go on for ever."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        """Hand on what comes, up to the limit."""
        left = _MOST_BYTES
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise ValueError("its answer has no end")
            yield chunk

    def close(self) -> None:
        """Close what it came from."""
        self._stream.close()


def _bound(answer: httpx.Response) -> None:
    """Bound what is read into memory: all but the files themselves."""
    if answer.request.method != "GET" and isinstance(answer.stream, httpx.SyncByteStream):
        answer.stream = _Bounded(answer.stream)


class WebdavFileStore(FsspecFileStore):
    """The files of a share."""

    def __init__(self, remote: Remote, limits: Limits) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigurationError: An option is missing or wrong.
        """
        url = remote.required("url")
        if not url.startswith(("https://", "http://")):
            raise ConfigurationError(
                f"{remote.variable('url')} is {url!r}; it must begin with https:// (or http://)."
            )
        user, headers = remote.options.get("user"), {}
        if token := remote.options.get("bearer_token"):
            headers["Authorization"] = f"Bearer {token}"
        self._client = _Client(
            url,
            auth=(user, remote.password or "") if user else None,
            headers=headers,
            event_hooks={"response": [_bound]},
            timeout=httpx.Timeout(limits.stall_s, connect=limits.connect_s),
            # How often is decided in one place, and not here.
            retry=False,
        )
        files = _Files(url, client=self._client, skip_instance_cache=True)
        super().__init__(remote, limits, files)
        self._made: set[str] = set()

    def _fetch(self, path: str, target: Path) -> None:
        # Not by webdav4's stream: it asks a server that stalls again and again, without an end.
        url = self._client.join_url(path)
        with self._client.http.stream("GET", url, follow_redirects=True) as answer:
            answer.raise_for_status()
            with target.open("wb") as file:
                for chunk in answer.iter_bytes(1024 * 1024):
                    file.write(chunk)

    def _put(self, source: Path, path: str) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            self._files.makedirs(folder, exist_ok=True)
            self._made.add(folder)
        part = part_of(path)
        try:
            self._client.upload_file(source, part, overwrite=True)
            if part != path:
                self._require_no_folder(path)
                self._client.move(part, path, overwrite=True)
        except BaseException:
            self._forget(part)
            raise

    def _require_no_folder(self, path: str) -> None:
        """Refuse to move a file to where a folder is, which would go, with all that is in it."""
        try:
            is_folder = self._client.isdir(path)
        except ResourceNotFound:
            return
        if is_folder:
            raise FileExistsError(path)

    def _forget(self, part: str) -> None:
        """Remove what was begun, if the server still does anything."""
        try:
            self._client.remove(part)
        except Exception:  # noqa: BLE001 - why it was left is what is reported
            return

    def _reason(self, exc: BaseException) -> Reason | None:
        for each in causes(exc):
            if isinstance(each, FileExistsError | NotADirectoryError):
                return Reason.IN_THE_WAY
            if isinstance(each, HTTPError):
                return reason_of_status(each.status_code)
            if isinstance(each, httpx.HTTPStatusError):
                return reason_of_status(each.response.status_code)
            if isinstance(each, ResourceNotFound):
                return Reason.MISSING
            if isinstance(each, InsufficientStorage):
                return Reason.FULL
            if isinstance(each, httpx.TimeoutException):
                return Reason.SILENT
            if isinstance(each, ParseError | ValueError | KeyError | AssertionError):
                return Reason.NOT_THAT_TYPE
            if isinstance(each, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
                return Reason.BROKEN
        return None

    def close(self) -> None:
        """See :class:`~deepaas.storage.base.FileStore`."""
        self._client.http.close()
