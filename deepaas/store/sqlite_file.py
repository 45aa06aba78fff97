# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open the SQLite file of a job store, write to it in transactions, explain its failures.

Everything here blocks, and is meant for the one thread that owns the connection.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from deepaas.errors import ConfigurationError, StorageFull, StorageUnavailable
from deepaas.store.filesystem import may_be_shared
from deepaas.store.queries import Migration, migrations

#: How long a step waits for another process that is writing.
BUSY_TIMEOUT_S: Final = 10.0

#: With less space than this, an I/O error of SQLite is taken for a full disk: it reports a failure
#: to enlarge its shared memory, and a quota, as plain I/O errors.
_NEARLY_FULL_BYTES: Final = 1024 * 1024

_RETRY_S: Final = 0.01


def open_database(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open the file, made if missing, and bring its schema up to date.

    Args:
        path: The database file. A missing folder is made with mode 0700, the file with 0600.
        busy_timeout_s: How long a statement waits for another process.

    Returns:
        A connection without implicit transactions; the caller closes it.

    Raises:
        ConfigurationError: A newer version wrote the file.
        StorageUnavailable: The file cannot be used.
    """
    with converted_errors(path):
        _create(path)
        connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            _refuse_newer(connection, path)
            _set_journal(connection, busy_timeout_s=busy_timeout_s, is_shared=may_be_shared(path))
            migrate(connection, migrations())
        except BaseException:
            connection.close()
            raise
        return connection


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Apply the steps that the file lacks, each in a transaction of its own.

    Several processes may do so at once: each step is looked up again under the write lock.
    """
    for step in steps:
        if schema_version(connection) >= step.version:
            continue
        with write_transaction(connection):
            if schema_version(connection) >= step.version:
                continue
            for statement in step.statements():
                connection.execute(statement)
            # A pragma takes no parameters; the version is a number from a file's name.
            connection.execute(f"PRAGMA user_version = {step.version:d}")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the number of the last step applied to the file, 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or undo all of it.

    The write lock is taken at once: a transaction that reads first and writes later can fail when
    another process wrote in between, however long it waits.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite ends the transaction itself after some errors, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def read_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let every statement of the block see the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()  # nothing, where SQLite has ended it because of an error


@contextmanager
def converted_errors(path: Path) -> Iterator[None]:
    """Turn what the driver and the system raise into our errors, with the cause kept."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _explained(exc, path) from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"No space is left for the job store {path}.") from exc
        reason = exc.strerror or str(exc)
        raise StorageUnavailable(f"The job store {path} cannot be used: {reason}.") from exc


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its side files the mode of this one. O_EXCL also keeps us from opening a file
    # that this process may have open: closing any descriptor of it would drop all its locks.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    found = schema_version(connection)
    known = migrations()[-1].version
    if found > known:
        raise ConfigurationError(
            f"The job store {path} has schema version {found}, written by a newer DEEPaaS; this one"
            f" knows versions up to {known}. Upgrade it, or use another state directory."
        )


def _set_journal(connection: sqlite3.Connection, *, busy_timeout_s: float, is_shared: bool) -> None:
    wanted = "delete" if is_shared else "wal"
    deadline = time.monotonic() + busy_timeout_s
    # SQLite does not wait for a lock here, whatever the timeout says, where waiting might
    # deadlock: two servers that start at once must try again themselves.
    while True:
        try:
            mode = str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
            break
        except sqlite3.OperationalError as exc:
            if _primary_code(exc) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
    # Without the log, FULL leaves a gap: a committed change can be undone after a power failure
    # as long as the folder's entry of the deleted journal is not on disk. EXTRA closes it.
    connection.execute(f"PRAGMA synchronous = {'FULL' if mode == 'wal' else 'EXTRA'}")


def _primary_code(exc: sqlite3.Error) -> int:
    # Errors of the Python module itself, such as a closed connection, carry no code.
    code: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def _explained(exc: sqlite3.Error, path: Path) -> StorageUnavailable:
    code = _primary_code(exc)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_nearly_full(path)):
        return StorageFull(f"No space is left for the job store {path}.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageUnavailable(
            f"The job store {path} was locked by another process for too long."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageUnavailable(
            f"The job store {path} is damaged or no database ({exc}): put back a copy, or move the"
            " file away to start with an empty history."
        )
    return StorageUnavailable(f"The job store {path} cannot be used: {exc}.")


def _is_nearly_full(path: Path) -> bool:
    try:
        state = os.statvfs(path)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize < _NEARLY_FULL_BYTES
