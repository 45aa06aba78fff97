# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The keys that are valid now: of the environment, and of files that may change meanwhile."""

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from deepaas.auth.keys import KeyRecord, id_of, read_keys, require_unique
from deepaas.auth.principal import Identity, Principal
from deepaas.errors import ConfigurationError, InvalidCredentials

logger = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
#: Some ten thousand keys; a longer file is another file.
_MOST_BYTES: Final = 4 * 1024 * 1024
_UNKNOWN: Final = "The key is not known here."


class _Mark(NamedTuple):
    """By what another content of a file is known, without reading it."""

    device: int
    inode: int
    mode: int
    size: int
    modified_ns: int
    changed_ns: int


class _Entry(NamedTuple):
    record: KeyRecord
    principal: Principal


class KeyRing:
    """Tells whose a key is; opened and closed with ``async with``, which looks for new files.

    While a file cannot be read, or holds what is no key, the keys that it held before stay valid.
    """

    def __init__(
        self,
        files: Sequence[Path],
        text: str = "",
        *,
        principal_of: Callable[[Identity], Principal],
        where: str = "the environment",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the keys; blocks.

        Args:
            files: Keep keys; looked at each second while the ring is open.
            text: Further keys, which do not change.
            principal_of: Says what the owner of a key may do; asked once for each.
            where: Where the text is from, for messages.
            now: The time.

        Raises:
            ConfigurationError: A file cannot be read, or what should be a key is none.
        """
        self._files = tuple(files)
        self._principal_of = principal_of
        self._fixed = read_keys(text, where)
        self._now = now
        self._marks: dict[Path, _Mark] = {}
        self._problem = ""
        self._entries = self._read()
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._files:
            self._looking = asyncio.create_task(self._look_on(), name="keys")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def __len__(self) -> int:
        return len(self._entries)

    def authenticate(self, key: str) -> Principal:
        """Return who has a key.

        Raises:
            InvalidCredentials: There is no such key, or it has expired.
        """
        entry = self._entries.get(id_of(key))
        if entry is None or not entry.record.proves(key):
            raise InvalidCredentials(_UNKNOWN)
        if entry.record.expires is not None and entry.record.is_expired(self._now()):
            raise InvalidCredentials("The key has expired.")
        return entry.principal

    async def look(self) -> None:
        """Read the files anew if one has changed; what is wrong with them is logged, once."""
        try:
            entries = await asyncio.to_thread(self._read_changed)
        except ConfigurationError as exc:
            self._tell(exc.message)
            return
        except Exception as exc:  # noqa: BLE001 - the border of a task, which is to look again
            self._tell(f"The files of keys cannot be looked at: {type(exc).__name__}: {exc}.", exc)
            return
        if entries is not None:
            self._problem = ""
            self._entries = entries
            logger.info(
                "There are %d keys from now on.", len(entries), extra={"action": "keys_read"}
            )

    def _tell(self, problem: str, fault: Exception | None = None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        logger.error(
            "%s The keys that were read before stay valid; no other is.",
            problem,
            exc_info=fault,
            extra={"action": "keys_unreadable"},
        )

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    def _read_changed(self) -> dict[str, _Entry] | None:
        """Return the keys if a file has changed, or could not be read the last time."""
        if not self._problem and all(self._marks[path] == _mark_of(path) for path in self._files):
            return None
        return self._read()

    def _read(self) -> dict[str, _Entry]:
        records = list(self._fixed)
        marks: dict[Path, _Mark] = {}
        for path in self._files:
            text, marks[path] = _read_file(path)
            records += read_keys(text, str(path))
        require_unique(records, "the keys together")
        for path, mark in marks.items():
            if mark != self._marks.get(path):
                _warn_of_mode(path, mark.mode)
        self._marks = marks
        return {each.id: _Entry(each, self._principal_of(each.identity)) for each in records}


def _mark_of(path: Path) -> _Mark:
    try:
        return _mark(path.stat())
    except OSError as exc:
        raise _unreadable(path, exc.strerror or str(exc)) from exc


def _mark(found: os.stat_result) -> _Mark:
    return _Mark(
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _read_file(path: Path) -> tuple[str, _Mark]:
    try:
        # Not of a pipe, whose writer may never come.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _unreadable(path, "it is no file")
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise _unreadable(path, f"it is longer than {_MOST_BYTES} bytes")
        return data.decode("utf-8"), _mark(found)
    except OSError as exc:
        raise _unreadable(path, exc.strerror or str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise _unreadable(path, "it is no text") from exc


def _unreadable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The file of keys {str(path)!r} cannot be read: {reason}; `deepaas keys create --file`"
        " makes one."
    )


def _warn_of_mode(path: Path, mode: int) -> None:
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        logger.warning(
            "The file of keys %s can be %s by others (mode %03o); 600 is enough.",
            path,
            "changed" if mode & (stat.S_IWOTH | stat.S_IWGRP) else "read",
            stat.S_IMODE(mode),
            extra={"action": "keys_open_to_others"},
        )
