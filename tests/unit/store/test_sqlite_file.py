# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Opening the file of a job store: its modes, its schema, and what can be wrong with it."""

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError, StorageFull, StorageUnavailable
from deepaas.store import sqlite_file
from deepaas.store.queries import Migration, migrations
from deepaas.store.sqlite_file import (
    converted_errors,
    migrate,
    open_database,
    schema_version,
    write_transaction,
)

VERSIONS = [0, *(step.version for step in migrations())]
LATEST = VERSIONS[-1]


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def pragma(connection: sqlite3.Connection, name: str) -> object:
    """Return the value of a setting."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_only_the_owner_may_read_what_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "jobs.sqlite"
    with closing(open_database(path)):
        made = sorted(path.parent.iterdir())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_database(tmp_path / "jobs.sqlite").close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("is_shared", "journal", "synchronous"), [(False, "wal", 2), (True, "delete", 3)]
)
def test_no_write_ahead_log_where_machines_share_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_shared: bool,
    journal: str,
    synchronous: int,
) -> None:
    """Also where the file was used on a local disk before, and the other way round."""
    path = tmp_path / "jobs.sqlite"
    for before in (is_shared, not is_shared):
        monkeypatch.setattr(sqlite_file, "may_be_shared", lambda _, before=before: before)
        open_database(path).close()
        monkeypatch.setattr(sqlite_file, "may_be_shared", lambda _: is_shared)
        with closing(open_database(path)) as connection:
            assert pragma(connection, "journal_mode") == journal
            assert pragma(connection, "synchronous") == synchronous


def test_servers_that_start_at_once_share_one_new_file(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite"

        def start(_: int, path: Path = path) -> int:
            with closing(open_database(path)) as connection:
                return schema_version(connection)

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(start, range(8))) == {LATEST}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_every_earlier_version_is_migrated(tmp_path: Path, version: int) -> None:
    """The result is the schema that a new file gets."""
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with plain(tmp_path / "old.sqlite") as connection:
        migrate(connection, migrations()[: VERSIONS.index(version)])
        assert schema_version(connection) == version
    with (
        closing(open_database(tmp_path / "old.sqlite")) as old,
        closing(open_database(tmp_path / "new.sqlite")) as new,
    ):
        assert schema_version(old) == schema_version(new) == LATEST
        assert list(map(tuple, old.execute(schema))) == list(map(tuple, new.execute(schema)))


#: The version of a step to come.
NEXT = migrations()[-1].version + 1


def test_jobs_survive_a_migration_and_a_step_runs_once(tmp_path: Path) -> None:
    step = Migration(NEXT, "x.sql", "ALTER TABLE jobs ADD COLUMN note TEXT DEFAULT 'none';\n")
    with closing(open_database(tmp_path / "jobs.sqlite")) as connection:
        connection.execute(
            "INSERT INTO jobs (id, kind, model, state, created, arguments, attempt)"
            " VALUES ('1', 'train', 'cat', 'queued', '2026', '{}', 1)"
        )
        migrate(connection, [*migrations(), step])
        migrate(connection, [*migrations(), step])
        assert tuple(connection.execute("SELECT id, note FROM jobs").fetchone()) == ("1", "none")


def test_jobs_of_the_first_version_are_counted_and_listed(tmp_path: Path) -> None:
    """The second step counts what is there."""
    path = tmp_path / "jobs.sqlite"
    with plain(path) as connection:
        migrate(connection, migrations()[:1])
        for number, state, hidden in ((1, "done", None), (2, "done", "2026"), (3, "error", None)):
            connection.execute(
                "INSERT INTO jobs (id, kind, model, state, created, arguments, attempt, hidden_at)"
                " VALUES (?, 'train', 'cat', ?, '2026-11-22T12:00:00.000000+00:00', '{}', 1, ?)",
                (str(number), state, hidden),
            )
    with closing(open_database(path)) as connection:
        lanes = connection.execute("SELECT * FROM job_lanes ORDER BY state, is_hidden").fetchall()
    assert [tuple(lane) for lane in lanes] == [
        ("cat", "train", "done", 0, 1),
        ("cat", "train", "done", 1, 1),
        ("cat", "train", "error", 0, 1),
    ]


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    step = Migration(NEXT, "x.sql", "CREATE TABLE half (x);\nCREATE TABLE jobs (x);\n")
    with closing(open_database(tmp_path / "jobs.sqlite")) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, [*migrations(), step])
        assert not connection.in_transaction
        assert schema_version(connection) == NEXT - 1
        assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchone()


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    newer = LATEST + 6
    with plain(path) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        open_database(path)
    assert f"version {newer}" in caught.value.message
    assert f"up to {LATEST}" in caught.value.message
    assert str(path) in caught.value.message
    assert path.read_bytes() == before


def test_a_path_under_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "jobs.sqlite"
    with pytest.raises(StorageUnavailable) as caught:
        open_database(path)
    assert str(path) in caught.value.message
    assert isinstance(caught.value.__cause__, OSError)


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        open_database(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"These are my notes. " * 100)
    with pytest.raises(StorageUnavailable, match="damaged or no database") as caught:
        open_database(path)
    assert str(path) in caught.value.message
    assert path.read_bytes().startswith(b"These are my notes.")


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").touch()
    with closing(open_database(tmp_path / "jobs.sqlite")) as connection:
        assert schema_version(connection) == LATEST


def test_opening_waits_for_a_server_that_is_starting(tmp_path: Path) -> None:
    """A change of the journal's mode is not covered by SQLite's own waiting."""
    path = tmp_path / "jobs.sqlite"
    with ThreadPoolExecutor(1) as thread, plain(path) as other:
        other.execute("BEGIN IMMEDIATE")
        opening = thread.submit(open_database, path)
        assert not wait([opening], timeout=0.1).done
        other.execute("ROLLBACK")
        thread.submit(opening.result().close).result()


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_lock_held_too_long_is_reported(tmp_path: Path, lock: str) -> None:
    path = tmp_path / "jobs.sqlite"
    with plain(path) as other:
        other.execute(f"BEGIN {lock}")
        with pytest.raises(StorageUnavailable, match="locked by another process"):
            open_database(path, busy_timeout_s=0.05)


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "jobs.sqlite")) as connection:

        def interrupted() -> None:
            with write_transaction(connection):
                connection.execute("INSERT INTO store_check VALUES (1, '')")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert not connection.in_transaction
        assert connection.execute("SELECT count(*) FROM store_check").fetchone()[0] == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_the_system_reports_a_full_disk(code: int) -> None:
    with pytest.raises(StorageFull, match="/x/jobs"), converted_errors(Path("/x/jobs")):
        raise OSError(code, os.strerror(code))


def io_error() -> sqlite3.OperationalError:
    """Make the error that SQLite gives when it cannot enlarge its shared memory."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    return error


@pytest.mark.parametrize(("free_blocks", "kind"), [(0, StorageFull), (1000, StorageUnavailable)])
def test_an_io_error_on_a_full_disk_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_blocks: int, kind: type[Exception]
) -> None:
    blocks = (4096, 4096, 1000, free_blocks, free_blocks, 1, 1, 1, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(blocks))
    with pytest.raises(kind) as caught, converted_errors(tmp_path):
        raise io_error()
    assert type(caught.value) is kind


def test_an_io_error_where_the_folder_is_gone(tmp_path: Path) -> None:
    expected = pytest.raises(StorageUnavailable, match="disk I/O error")
    with expected, converted_errors(tmp_path / "gone"):
        raise io_error()
