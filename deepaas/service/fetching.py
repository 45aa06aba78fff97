# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Fetch what clients name by address, so that a model gets it as if they had uploaded it."""

import asyncio
import json
import logging
import mmap
import re
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deepaas.config import FetchSettings
from deepaas.errors import CannotFetch, InvalidArguments
from deepaas.fetching import AddressPolicy, GuardedClient
from deepaas.model.arguments import ArgumentParser
from deepaas.model.fetched import Wanted, wanted_files
from deepaas.records import Argument, UploadedFile
from deepaas.service.incoming import Incoming
from deepaas.service.uploads import Upload

logger = logging.getLogger(__name__)

#: Of one call: a list of addresses must not make a flood of requests.
_MAX_FILES = 32
#: Calls that fetch at the same time; others wait, and that counts as fetching. A few bytes of a
#: client's make the server download a lot, and hold it on the disk.
_MAX_CALLS = 32
#: Of a name on disk; the end is kept, for the suffix.
_MAX_NAME_BYTES = 255
#: What is looked through at once: no other thread runs meanwhile.
_LOOK_BYTES = 1024 * 1024
#: Behind the name of a member; who puts more before it, is refused by who reads the body.
_COLON = re.compile(rb"[ \t\r\n]{0,64}:")
#: What no name of a file should hold, and would not survive in a header.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class UrlFetcher:
    """Fetches the files of calls; they are removed as uploads are.

    Args:
        client: Gets them.
        uploads: The folder they are written to.
        max_bytes: The most that is fetched for one call; 0: no limit.
        timeout_s: How long that may take; 0: no limit.
    """

    def __init__(
        self, client: GuardedClient, uploads: Path, *, max_bytes: int = 0, timeout_s: float = 0
    ) -> None:
        self._client = client
        self._uploads = uploads
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(_MAX_CALLS)

    @classmethod
    def of(cls, settings: FetchSettings, uploads: Path) -> "UrlFetcher | None":
        """Return what the settings ask for, ``None`` if nothing is to be fetched."""
        if not settings.is_enabled:
            return None
        policy = AddressPolicy(settings.networks, settings.hosts)
        return cls(
            GuardedClient(policy),
            uploads,
            max_bytes=settings.max_bytes,
            timeout_s=settings.timeout_s,
        )

    async def fetch(
        self, incoming: Incoming, fetched: Sequence[Argument], parser: ArgumentParser | None
    ) -> None:
        """Add the files to a call that its addresses lead to.

        Args:
            incoming: The call; owns the files.
            fetched: Its arguments that are addresses to fetch.
            parser: Checks a small call before anything is fetched for it; ``None`` where only the
                model's own process can.

        Raises:
            InvalidArguments: Something cannot be fetched, or the input is wrong.
            MalformedBody: The JSON body was needed and is not JSON.
            StorageFull, StorageUnavailable: A file cannot be written.
        """
        if parser is not None and incoming.is_small:
            parser.parse_texts(incoming.given)
        if incoming.body_fd is not None:
            found = {name for name, _ in (*incoming.given.query, *incoming.given.form)}
            await asyncio.to_thread(_refuse_hidden, incoming.body_fd, fetched, found)
        wanted = wanted_files(incoming.given, fetched)
        if not wanted:
            return
        _check_count(wanted)
        files = await self._fetch_all(wanted, incoming)
        incoming.given = replace(incoming.given, files=(*files, *incoming.given.files))

    async def _fetch_all(
        self, wanted: Sequence[Wanted], incoming: Incoming
    ) -> list[tuple[str, UploadedFile]]:
        files: list[tuple[str, UploadedFile]] = []
        left = self._max_bytes
        name = ""
        try:
            async with asyncio.timeout(self._timeout_s or None), self._places:
                for argument, urls in wanted:
                    name = argument.wire_name
                    for url in urls:
                        file, size = await self._fetch_one(argument, url, incoming, left)
                        files.append((name, file))
                        # Nothing left is not "no limit".
                        left = max(1, left - size) if self._max_bytes else 0
        except CannotFetch as exc:
            raise _refusal(name, exc.message) from exc
        except TimeoutError as exc:
            what = f"Fetching took longer than {self._timeout_s:g} s."
            raise _refusal(name, what) from exc
        return files

    async def _fetch_one(
        self, argument: Argument, url: str, incoming: Incoming, max_bytes: int
    ) -> tuple[UploadedFile, int]:
        filename = name_of(url)
        upload = Upload(self._uploads, filename or "", incoming)
        try:
            got = await self._client.fetch(
                url, upload.write, max_bytes=max_bytes, media_types=argument.media_types
            )
            await upload.finish()
        finally:
            upload.abandon()
        file = UploadedFile(argument.wire_name, str(upload.path), got.content_type, filename)
        return file, got.size_bytes


def name_of(url: str) -> str | None:
    """Return what a file might be called that an address leads to: its last segment, made fit.

    ``None`` where there is none. It is for people, and its suffix for models; never a path.
    """
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return None
    last = _UNFIT.sub("", path.replace("\\", "/").rpartition("/")[2]).strip()
    return (
        None
        if last in ("", ".", "..")
        else last.encode()[-_MAX_NAME_BYTES:].decode("utf-8", "ignore")
    )


def _check_count(wanted: Sequence[Wanted]) -> None:
    count = 0
    for argument, urls in wanted:
        count += len(urls)
        if count > _MAX_FILES:
            what = f"At most {_MAX_FILES} addresses are fetched for one call."
            raise _refusal(argument.wire_name, what)


def _refuse_hidden(body_fd: int, fetched: Sequence[Argument], found: Set[str]) -> None:
    """Refuse an address in a body that is too large to be read here; blocks.

    One that is written in escapes is not seen, and refused by who reads the body.

    Args:
        body_fd: The body.
        fetched: The arguments that are addresses.
        found: Names that stand in the query or the form, where they count more.
    """
    with mmap.mmap(body_fd, 0, access=mmap.ACCESS_READ) as body:
        for argument in fetched:
            name, location = argument.wire_name, argument.location
            if location not in (None, "json") or (location is None and name in found):
                continue
            if _has_member(body, name):
                raise _refusal(
                    name,
                    "The body is too large to hold an address to fetch; put it into the query.",
                )


def _has_member(body: mmap.mmap, name: str) -> bool:
    """Tell whether JSON seems to have a member of a name, in this object or one within."""
    text = re.compile(re.escape(json.dumps(name, ensure_ascii=False).encode()))
    return any(
        _COLON.match(body, found.end())
        for at in range(0, len(body), _LOOK_BYTES)
        for found in text.finditer(body, at, at + _LOOK_BYTES + len(text.pattern))
    )


def _refusal(name: str, what: str) -> InvalidArguments:
    logger.info("Nothing was fetched for %s: %s", name, what, extra={"action": "fetch_refused"})
    return InvalidArguments({name: [what]})
