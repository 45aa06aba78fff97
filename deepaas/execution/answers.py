# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The answer of a queued prediction, kept in its job's directory.

``answer.body`` holds the bytes; ``answer.json``, which says the rest, comes after it, so that an
answer is whole as soon as it is there. What failed is kept as data, and has no body. Everything
here blocks.
"""

import errno
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from deepaas.execution.disk import free_in
from deepaas.execution.jobdir import End, JobDirectory, sync_directory
from deepaas.execution.messages import Failure, write_all
from deepaas.model.encoding import encode_json

_PIECE_BYTES = 1024 * 1024
#: How often to look whether enough is free.
_LOOK_BYTES = 4 * 1024 * 1024


class KeptAnswer(NamedTuple):
    """The content of ``answer.json``."""

    content_type: str = ""
    #: Of a returned file: the name under which a client should save it.
    filename: str | None = None
    #: Number of the version that answered.
    version: int = 0
    #: What went wrong, without its traceback, which is in the log.
    failure: Failure | None = None
    #: The same in a sentence, for the job; not written where it is the failure's text.
    message: str | None = None

    @property
    def end(self) -> End:
        """How the job ends by it, now; what a model raised may be a success (204)."""
        if self.failure is None or (self.failure.status or 500) < 400:
            return End.now("done")
        return End.now("error", self.message)


class BodyWriter:
    """Writes the body of an answer; :meth:`close` it.

    Where a method could not write, it may be called again with the same, and goes on.
    """

    def __init__(self, directory: JobDirectory, min_free_bytes: int = 0) -> None:
        """Begin anew.

        Args:
            directory: Of the job.
            min_free_bytes: What a long body leaves free on the disk, or :meth:`write` fails.

        Raises:
            OSError: It cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._fd = os.open(_body(directory), flags, 0o600)
        self._folder = directory.path
        self._min_free_bytes = min_free_bytes
        self._offset = 0
        self._looked_at = 0
        #: Read from what cannot be read again.
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write a piece, all of it or, as far as readers are concerned, nothing.

        Raises:
            OSError: It cannot be written.
        """
        if self._min_free_bytes and self._offset - self._looked_at >= _LOOK_BYTES:
            self._require_space()
        os.lseek(self._fd, self._offset, os.SEEK_SET)
        write_all(self._fd, data)
        self._offset += len(data)

    def _require_space(self) -> None:
        if free_in(self._folder) < self._min_free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._looked_at = self._offset

    def copy(self, fd: int) -> None:
        """Write all that a descriptor holds; a file is read from its start, and stays open.

        Raises:
            OSError: It cannot be read or written.
        """
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
        while True:
            if is_regular:
                self._held = os.pread(fd, _PIECE_BYTES, self._offset)
            elif not self._held:
                self._held = os.read(fd, _PIECE_BYTES)
            if not self._held:
                return
            self.write(self._held)
            self._held = b""

    def finish(self) -> None:
        """Make it durable.

        Raises:
            OSError: It cannot be.
        """
        os.ftruncate(self._fd, self._offset)
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def keep(directory: JobDirectory, answer: KeptAnswer) -> None:
    """Make an answer durable; its body, if it has one, is so already.

    Raises:
        OSError: It cannot be written; then there is none.
    """
    content = answer._asdict()
    if answer.failure is not None:
        content["failure"] = answer.failure._replace(traceback="")._asdict()
        if answer.message == answer.failure.text:
            del content["message"]
    temporary = directory.path / "answer.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(encode_json(content))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(directory.path / "answer.json")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(directory.path)


def read(directory: JobDirectory) -> KeptAnswer | None:
    """Return the answer, ``None`` where there is none."""
    try:
        content = json.loads((directory.path / "answer.json").read_bytes())
    except FileNotFoundError:
        return None
    if content["failure"] is not None:
        failure = content["failure"] = Failure(**content["failure"])
        content.setdefault("message", failure.text)
    return KeptAnswer(**content)


def open_body(directory: JobDirectory) -> int:
    """Open the body of an answer; the caller closes the descriptor.

    Raises:
        FileNotFoundError: It has none.
    """
    return os.open(_body(directory), os.O_RDONLY | os.O_CLOEXEC)


def remove_body(directory: JobDirectory) -> None:
    """Remove the body of what is no answer, if it can be: others need the space."""
    with suppress(OSError):
        _body(directory).unlink()


def _body(directory: JobDirectory) -> Path:
    return directory.path / "answer.body"
