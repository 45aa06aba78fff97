# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Space is set aside, and given up to make space on a full disk."""

import errno
import sqlite3
from pathlib import Path

import pytest

from deepaas.errors import StorageFull
from deepaas.store.reserve import SpaceReserve
from deepaas.store.sqlite_database import SqliteDatabase

MIB = 1024 * 1024


def taken(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_it_is_really_taken_and_given_up(tmp_path: Path) -> None:
    reserve = SpaceReserve(tmp_path / "reserve")
    for _ in range(2):
        reserve.hold()
        reserve.hold()
        assert taken(tmp_path / "reserve") >= MIB
        reserve.give_up()
        assert not (tmp_path / "reserve").exists()
        reserve.give_up()


def test_several_may_share_it(tmp_path: Path) -> None:
    first, second = (SpaceReserve(tmp_path / "reserve") for _ in range(2))
    for reserve in (first, second):
        reserve.hold()
    assert MIB <= taken(tmp_path / "reserve") < 2 * MIB
    first.give_up()
    second.give_up()
    second.hold()
    assert taken(tmp_path / "reserve") >= MIB


def test_where_it_cannot_be_taken_another_try_does(tmp_path: Path) -> None:
    reserve = SpaceReserve(tmp_path / "later" / "reserve")
    reserve.hold()
    (tmp_path / "later").mkdir()
    reserve.hold()
    assert taken(tmp_path / "later" / "reserve") >= MIB


async def test_what_makes_space_runs_in_the_reserve_and_others_do_not(tmp_path: Path) -> None:
    reserve = tmp_path / "jobs.sqlite-reserve"
    database = await SqliteDatabase.open(tmp_path / "jobs.sqlite")
    tries = 0

    def step(connection: sqlite3.Connection) -> bool:
        """Fail as on a disk that the reserve has filled."""
        nonlocal tries
        tries += 1
        if reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return True

    try:
        with pytest.raises(StorageFull):
            await database.write(step)
        assert reserve.exists()
        assert await database.make_space(step)
        assert tries == 3
        # It was taken again with the step that went through.
        assert taken(reserve) >= MIB
    finally:
        await database.close()


async def test_where_the_reserve_is_not_enough_it_is_told(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "jobs.sqlite")

    def step(connection: sqlite3.Connection) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    try:
        with pytest.raises(StorageFull):
            await database.make_space(step)
        await database.read(lambda connection: None)
        assert taken(tmp_path / "jobs.sqlite-reserve") >= MIB
    finally:
        await database.close()
