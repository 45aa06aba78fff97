# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Fetch the files that a job made; a broken download goes on where it broke.

What a service says of a file is checked before anything is written: a path leads nowhere but below
the folder that was chosen, and a file has the size and the checksum that were said.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import quote

from deepaas.cmd.jobs.client import JobsClient
from deepaas.cmd.jobs.harmless import shown
from deepaas.errors import RequestFailed

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: A path as it stands in a URL, without what would lead elsewhere.
_ENCODED: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_TRIES: Final = 5
_PAUSE_S: Final = 1.0


class RemoteFile(NamedTuple):
    """A file that a job made, as the service says."""

    #: Relative, with ``/`` between its parts; checked.
    path: str
    bytes: int
    sha256: str
    #: The same path as in URLs.
    encoded: str


def files_of(client: JobsClient, job_id: str, content: dict[str, Any]) -> list[RemoteFile]:
    """Return the files of a job.

    Args:
        client: Reaches the service.
        job_id: The job, which has ended.
        content: The service's list of them.

    Raises:
        RequestFailed: The list is none, or a file would lie elsewhere than in the target.
    """
    listed = content.get("artifacts")
    if not isinstance(listed, list):
        raise client.nonsense(client.job(job_id, "/artifacts/"))
    found = list(_files(client, job_id, listed))
    if len({file.path for file in found}) != len(found):
        raise RequestFailed(f"{client.url} lists a file of the job {job_id} twice.", status=200)
    return found


def _files(client: JobsClient, job_id: str, listed: list[Any]) -> Iterator[RemoteFile]:
    for file in listed:
        match file:
            case {"path": str(path), "bytes": int(size), "sha256": str(sha256)}:
                pass
            case _:
                raise client.nonsense(client.job(job_id, "/artifacts/"))
        if not _is_below(path):
            raise RequestFailed(
                f"{client.url} names a file {shown(path)!r} that would not lie in the target:"
                " nothing of this job is written.",
                status=200,
            )
        if size < 0 or not _SHA256.fullmatch(sha256):
            raise client.nonsense(client.job(job_id, "/artifacts/"))
        yield RemoteFile(path, size, sha256, _encoded(file.get("href"), job_id, path))


def _is_below(path: str) -> bool:
    """Whether a path leads below the folder that it is relative to."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def _encoded(href: object, job_id: str, path: str) -> str:
    """Return the path as the service has it in URLs: the name of a file need not be UTF-8."""
    if isinstance(href, str):
        _, mark, tail = href.partition(f"/jobs/{job_id}/artifacts/")
        if mark and _ENCODED.fullmatch(tail) and _is_below(tail):
            return tail
    return quote(path)


class Part:
    """A file that is not whole yet. Its methods block, briefly."""

    def __init__(self, path: Path, file: RemoteFile) -> None:
        """Take what is there of it, perhaps from an earlier try.

        Args:
            path: Where it is.
            file: What it will be.
        """
        self.path = path
        self._file = file

    @property
    def size(self) -> int:
        """How much is there of what can be gone on from."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return 0
        return size if size <= self._file.bytes else 0

    def open(self, *, goes_on: bool) -> BinaryIO:
        """Open it, to write at its end or to begin anew."""
        return self.path.open("ab" if goes_on else "wb")

    def is_right(self) -> bool:
        """Whether it has its checksum; otherwise it is removed."""
        if has_checksum(self.path, self._file):
            return True
        self.path.unlink()
        return False

    def put(self, folder: Path) -> None:
        """Move it to its place below a folder.

        Raises:
            OSError: It cannot be, for another file stands where a folder would have to, say.
        """
        target = folder / self._file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.path, target)


def has_checksum(path: Path, file: RemoteFile) -> bool:
    """Whether what lies there is the file, whole and right; it need not be there."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False


async def fetch_file(client: JobsClient, job_id: str, file: RemoteFile, part: Part) -> None:
    """Fetch a file to its end.

    Raises:
        RequestFailed: It could not be fetched, or is not what was said.
        OSError: It cannot be written.
    """
    tries_left = _TRIES
    while True:
        try:
            await _fetch_rest(client, job_id, file, part)
            break
        except RequestFailed as exc:
            tries_left -= 1
            if not exc.may_pass or not tries_left:
                raise
        await asyncio.sleep(_PAUSE_S)
    if not await asyncio.to_thread(part.is_right):
        raise RequestFailed(
            f"The file {shown(file.path)!r} from {client.url} does not have the checksum that was"
            " said of it; try again.",
            status=200,
        )


async def _fetch_rest(client: JobsClient, job_id: str, file: RemoteFile, part: Part) -> None:
    there = part.size
    if there and there == file.bytes:
        return
    # Where the file has another checksum by now, it is sent from its beginning.
    headers = {"Range": f"bytes={there}-", "If-Range": f'"{file.sha256}"'} if there else {}
    path = client.job(job_id, f"/artifacts/{file.encoded}")
    async with client.open(path, headers=headers) as response:
        goes_on = response.status == 206
        if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
            raise client.nonsense(path)
        written = there if goes_on else 0
        with part.open(goes_on=goes_on) as output:
            async for data in response.content.iter_any():
                written += len(data)
                if written > file.bytes:
                    raise _another_size(client, file)
                await asyncio.to_thread(output.write, data)
    if written < file.bytes:
        raise _another_size(client, file)


def _another_size(client: JobsClient, file: RemoteFile) -> RequestFailed:
    return RequestFailed(
        f"The file {shown(file.path)!r} from {client.url} does not have the {file.bytes} bytes that"
        " were said of it; try again.",
        status=200,
    )
