# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Pull a folder out of a store, or push one into it: file by file, each whole or not at all.

What is there already and has not changed is left as it is, so that a transfer that was broken off
goes on where it was when it is begun again.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore, StoredFile, safe_parts
from deepaas.storage.parts import Below, look_below, remove_left_parts
from deepaas.whole import written_whole

T = TypeVar("T")

_ATTEMPTS: Final = 3
#: Before the second attempt; twice as long before each further one.
_PAUSE_S: Final = 1.0
#: Stores keep times with fewer digits, WebDAV whole seconds.
_SAME_SECOND: Final = timedelta(seconds=1)
_SAME_INSTANT: Final = timedelta(milliseconds=1)


@dataclass(slots=True)
class Report:
    """What became of a transfer; paths are relative to the folder."""

    done: list[str] = field(default_factory=list)
    #: What was there already.
    equal: list[str] = field(default_factory=list)
    #: Why, by path.
    failed: dict[str, str] = field(default_factory=dict)
    #: What was not even begun, since the remote failed.
    left: list[str] = field(default_factory=list)
    #: What is no file, or a link that leads out of the folder.
    passed_over: list[str] = field(default_factory=list)
    bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything is where it should be."""
        return not (self.failed or self.left)


class Transfer:
    """Moves files between a store and this machine; tries what may pass again, and then stops."""

    def __init__(
        self,
        store: FileStore,
        *,
        attempts: int = _ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
        tell: Callable[[str, int], object] = lambda path, size: None,
    ) -> None:
        """Move nothing yet.

        Args:
            store: Not closed here.
            attempts: How often what may pass is tried.
            sleep: Waits, in seconds.
            tell: Called with the path and size of each file that has been moved.
        """
        self._store = store
        self._attempts = attempts
        self._sleep = sleep
        self._tell = tell

    def pull(self, path: str, folder: Path) -> Report:
        """Bring a folder of the store, or one file, into a local folder, which is made.

        Files that are not in the store stay. One that came gets the time that it has there.

        Raises:
            RemoteFailed: The store cannot be listed, or there is nothing there; or the folder
                cannot be made.
        """
        found = self._again(lambda: self._store.find(path))
        _make(folder)
        remove_left_parts(folder)

        def bring(file: StoredFile) -> Callable[[], bool]:
            return lambda: self._bring(file, folder.joinpath(*safe_parts(_below(path, file.path))))

        return self._each((_below(path, f.path), f.bytes, bring(f)) for f in found)

    def _bring(self, file: StoredFile, target: Path) -> bool:
        if _is_here(file, target):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as temporary:
            self._store.fetch(file.path, temporary)
            size = temporary.stat().st_size
            if size != file.bytes:
                raise RemoteFailed(
                    f"{file.path!r}: {size} of {file.bytes} bytes came.", may_pass=True
                )
            if file.modified is not None:
                os.utime(temporary, (time.time(), file.modified.timestamp()))
        return True

    def push(self, folder: Path, path: str) -> Report:
        """Bring the files of a local folder, or one file, into a folder of the store.

        Files that are only in the store stay. Links are followed to files in the folder only.

        Raises:
            RemoteFailed: The store cannot be listed, or the folder cannot be read.
        """
        try:
            below = Below([folder.name], []) if folder.is_file() else look_below(folder)
        except OSError as exc:
            raise RemoteFailed(f"{str(folder)!r}: {exc.strerror}.") from exc
        top = folder.parent if folder.is_file() else folder
        there = {_below(path, file.path): file for file in self._there(path)}

        def bring(name: str) -> Callable[[], bool]:
            return lambda: self._send(top / name, _join(path, name), there.get(name))

        report = self._each((name, _size(top / name), bring(name)) for name in below.files)
        report.passed_over = below.others
        return report

    def _there(self, path: str) -> tuple[StoredFile, ...]:
        try:
            return self._again(lambda: self._store.find(path))
        except RemoteFailed as exc:
            if exc.is_missing:
                return ()
            raise

    def _send(self, source: Path, path: str, there: StoredFile | None) -> bool:
        if not _is_text(path):
            raise RemoteFailed(f"{path!r} is no name in UTF-8; rename it.")
        if there is not None and _is_there(source, there):
            return False
        self._store.put(source, path)
        return True

    def _each(self, files: Iterable[tuple[str, int, Callable[[], bool]]]) -> Report:
        report = Report()
        waiting = list(files)
        for index, (name, size, bring) in enumerate(waiting):
            try:
                is_moved = self._again(bring)
            except RemoteFailed as exc:
                report.failed[name] = exc.message
                if exc.may_pass:
                    # It did not pass, and the others would fare no better.
                    report.left += [each[0] for each in waiting[index + 1 :]]
                    break
            except OSError as exc:
                report.failed[name] = f"{exc.filename or name!r}: {exc.strerror}."
            else:
                (report.done if is_moved else report.equal).append(name)
                if is_moved:
                    report.bytes += size
                    self._tell(name, size)
        return report

    def _again(self, work: Callable[[], T]) -> T:
        """Do it, again where the reason may pass."""
        for attempt in range(1, self._attempts):
            try:
                return work()
            except RemoteFailed as exc:
                if not exc.may_pass:
                    raise
                self._sleep(_PAUSE_S * 2 ** (attempt - 1))
        return work()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RemoteFailed(f"{str(folder)!r} cannot be made: {exc.strerror}.") from exc


def _below(folder: str, path: str) -> str:
    """Return a file's path relative to a folder, or its name if the folder is the file itself."""
    if path == folder:
        return path.rpartition("/")[2]
    return path.removeprefix(f"{folder}/") if folder else path


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_here(file: StoredFile, target: Path) -> bool:
    """Whether a local file is the one that was brought here before."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return False
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    is_same_time = file.modified is None or abs(file.modified - changed) < _SAME_SECOND
    return status.st_size == file.bytes and is_same_time


def _is_there(source: Path, file: StoredFile) -> bool:
    """Whether a file of the store came there after the local one was changed last."""
    status = source.stat()
    if file.modified is None or status.st_size != file.bytes:
        return False
    return file.modified + _SAME_INSTANT >= datetime.fromtimestamp(status.st_mtime, UTC)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it is told when it is sent


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
