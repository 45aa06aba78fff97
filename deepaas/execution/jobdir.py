# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The directory of one job: what happened, in files that outlive every process.

Standard library only, since guards use it. The store owns what was asked for; this directory owns
what happened:

    call.json      the model and the input, as accepted
    inputs/        uploaded files, kept as long as the job
    alive          locked (POSIX record lock) by the guard exactly while the job is alive
    begun-N        created by the guard when attempt N starts; holds what checkpoints/ was like
    log            standard output and error of the training, of all attempts
    log-gap.json   what was left out of the log, see joblog
    events.jsonl   states and progress, one JSON object a line, see jobevents
    checkpoints/   artifacts/
    version.json   which version was served when the training started, see basis
    promoted.json  the artifacts as they were when the job was promoted, see modelfiles
    push.json      that the artifacts are to be brought to a remote, and what came in between
    pushed.json    that they are there, see deepaas.service.pushing
    outcome.json   how the function ended in the attempt that runs, written by the training itself
    ended-N.json   how attempt N ended, where another is to follow; created once, by link(2)
    end.json       how the job ended; created once, by link(2), and never changed

A POSIX lock frees when its process dies, also while a fork of it lives on, and unlike a pid it
cannot be mistaken in another container or after a restart (fcntl(2), "Advisory record locking").
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from deepaas.execution import jobevents
from deepaas.execution.fingerprint import fingerprint

T = TypeVar("T")

#: What tells that no space is left, on the disk or for the user.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_TRY_AGAIN_S = 0.5


class End(NamedTuple):
    """The content of ``outcome.json`` and ``end.json``."""

    #: A final :class:`deepaas.records.JobState`.
    state: str
    #: When it ended, ISO 8601, UTC.
    finished: str
    message: str | None = None
    #: The result as JSON text, ``None`` unless done.
    result: str | None = None

    @classmethod
    def now(cls, state: str, message: str | None = None, result: str | None = None) -> "End":
        """Return an end that is decided now."""
        return cls(state, datetime.now(UTC).isoformat(timespec="microseconds"), message, result)


class AttemptEnd(NamedTuple):
    """The content of ``ended-N.json``."""

    #: What the job's state would be if no attempt followed.
    state: str
    #: When it ended, ISO 8601, UTC.
    finished: str
    message: str | None
    #: A :class:`deepaas.execution.attempts.Cause`.
    cause: str
    #: Whether the attempt left ``checkpoints/`` other than it had found it.
    has_new_checkpoint: bool


class JobDirectory:
    """The files of one job; its methods block, and are safe across processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.call = path / "call.json"
        self.inputs = path / "inputs"
        self.log = path / "log"
        self.events = path / "events.jsonl"
        self.checkpoints = path / "checkpoints"
        self.artifacts = path / "artifacts"

    def create(self, call: bytes) -> None:
        """Make the directory and write the call, durable on return.

        Raises:
            OSError: No space, no permission, or the directory exists.
        """
        self.path.mkdir(mode=0o700, parents=True)
        for folder in (self.inputs, self.checkpoints, self.artifacts):
            folder.mkdir(mode=0o700)
        self.call.touch(mode=0o600)  # it may hold secrets
        _write_durably(self.call, call)
        sync_directory(self.path)
        sync_directory(self.path.parent)

    def lock(self) -> int | None:
        """Take the lock of the living; return its descriptor, or ``None`` if another holds it.

        The lock frees when the descriptor is closed or the process ends. Closing *any* descriptor
        of the file frees it too: a process opens it at one place only, here.
        """
        fd = os.open(self.path / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # which of them, POSIX leaves open
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def begin(self, attempt: int, *, is_afresh: bool = False) -> bool:
        """Note that an attempt starts; false if it had started before.

        Args:
            attempt: Its number.
            is_afresh: Whether it finds nothing of what the attempts before it made.

        Raises:
            OSError: It cannot be written.
        """
        if self.has_begun(attempt):
            return False
        if is_afresh:
            _empty(self.checkpoints)
            _empty(self.artifacts)
        # What the function said in an attempt before this one, which is over.
        (self.path / "outcome.json").unlink(missing_ok=True)
        return self._create_once(self._begun(attempt), fingerprint(self.checkpoints).encode())

    def has_begun(self, attempt: int) -> bool:
        """Whether the attempt was ever started."""
        return self._begun(attempt).exists()

    def has_new_checkpoint(self, attempt: int) -> bool:
        """Whether ``checkpoints/`` has changed since the attempt began."""
        try:
            before = self._begun(attempt).read_text()
        except FileNotFoundError:
            return False
        return fingerprint(self.checkpoints) != before

    def _begun(self, attempt: int) -> Path:
        return self.path / f"begun-{attempt}"

    def end_attempt(self, attempt: int, end: AttemptEnd) -> bool:
        """Note that an attempt is over and another is to follow; false if that was noted before.

        It does not bind: an ``end.json`` counts more, whenever it came.
        """
        return self._create_once(self._ended(attempt), json.dumps(end._asdict()).encode())

    def has_ended(self, attempt: int) -> bool:
        """Whether the attempt is over and another is to follow."""
        return self._ended(attempt).exists()

    def attempt_end(self, attempt: int) -> AttemptEnd | None:
        """Return how an attempt ended that another is to follow, ``None`` if there is none."""
        return _read(AttemptEnd, self._ended(attempt))

    def attempts_ended(self) -> list[AttemptEnd]:
        """Return how the attempts ended that another was to follow, oldest first."""
        found = sorted(self.path.glob("ended-*.json"), key=_number)
        return [AttemptEnd(**json.loads(path.read_bytes())) for path in found]

    def _ended(self, attempt: int) -> Path:
        return self.path / f"ended-{attempt}.json"

    def write_outcome(self, end: End) -> None:
        """Note how the function ended; the guard makes it the job's end unless one stands."""
        temporary = self.path / "outcome.tmp"
        _write_durably(temporary, json.dumps(end._asdict()).encode())
        temporary.rename(self.path / "outcome.json")
        sync_directory(self.path)

    def outcome(self) -> End | None:
        """Return how the function ended, ``None`` while it has not said so."""
        return _read(End, self.path / "outcome.json")

    def decide(self, end: End) -> bool:
        """Make ``end`` the job's end; false, and nothing changes, if one stands already."""
        return self._create_once(self.path / "end.json", json.dumps(end._asdict()).encode())

    def _create_once(self, path: Path, data: bytes) -> bool:
        """Make a file appear, complete and durable; false, and nothing changes, if it is there."""
        temporary = self.path / f"{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        _write_durably(temporary, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        sync_directory(self.path)
        return True

    def end(self) -> End | None:
        """Return how the job ended, ``None`` while it is undecided."""
        return _read(End, self.path / "end.json")

    def is_decided(self) -> bool:
        """Whether the job's end stands; cheaper than reading it."""
        return (self.path / "end.json").exists()

    def has_outcome(self) -> bool:
        """Whether the function has ended and said how."""
        return (self.path / "outcome.json").exists()

    def note_state(
        self, state: str, attempt: int, message: str | None = None, *, time: str | None = None
    ) -> None:
        """Tell in the events that the job is in a state now, once, however often it is noted.

        One that cannot be written is left out: what is true stands in other files, and does not
        wait for a report.
        """
        event = jobevents.state_event(state, attempt, message, time=time)
        with suppress(OSError):
            jobevents.append_once(self.events, event)


def until_there_is_space(write: Callable[[], T]) -> T:
    """Write how a job ended, waiting while the disk is full: its end is not to be lost."""
    while True:
        try:
            return write()
        except OSError as exc:
            if exc.errno not in NO_SPACE:
                raise
        time.sleep(_TRY_AGAIN_S)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable (fsync(2), NOTES)."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_durably(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _empty(folder: Path) -> None:
    """Remove what is below a folder; ``shutil`` would take guards too long to import."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in folders:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                os.unlink(path)
            else:
                os.rmdir(path)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _read(kind: Callable[..., T], path: Path) -> T | None:
    try:
        return kind(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
