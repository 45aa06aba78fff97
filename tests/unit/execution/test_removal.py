# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job's directory is removed whole, and a crash in between leaves nothing for good."""

import os
import shutil
from pathlib import Path

import pytest

from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.removal import SetAside, sweep_removed
from deepaas.records import Job
from deepaas.testing import InMemoryJobStore, make_job

JOB = make_job(1).id


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    made = JobDirectory(tmp_path / "jobs" / JOB)
    made.create(b"{}")
    return made


def is_alive(server: str) -> bool:
    """Of all servers only ``here`` is alive."""
    return server == "here"


def test_it_is_out_of_sight_and_then_gone(directory: JobDirectory) -> None:
    aside = SetAside(directory, "here")
    assert not directory.path.exists()
    aside.remove()
    assert os.listdir(directory.path.parent) == []
    aside.remove()


def test_it_can_be_put_back(directory: JobDirectory) -> None:
    SetAside(directory, "here").put_back()
    assert directory.call.read_bytes() == b"{}"


def test_what_is_gone_already_is_no_error(directory: JobDirectory) -> None:
    shutil.rmtree(directory.path)
    aside = SetAside(directory, "here")
    aside.put_back()
    aside.remove()
    assert not directory.path.exists()


def test_of_two_who_remove_it_the_second_does_nothing(directory: JobDirectory) -> None:
    first = SetAside(directory, "here")
    second = SetAside(directory, "here")
    second.put_back()
    assert not directory.path.exists()
    second.remove()
    first.put_back()
    assert directory.call.read_bytes() == b"{}"


def test_what_another_has_put_back_goes_all_the_same(directory: JobDirectory) -> None:
    first = SetAside(directory, "a")
    second = SetAside(directory, "b")
    first.put_back()
    second.remove()
    assert os.listdir(directory.path.parent) == []


def test_who_has_put_it_back_can_still_remove_it(directory: JobDirectory) -> None:
    aside = SetAside(directory, "here")
    aside.put_back()
    aside.remove()
    assert os.listdir(directory.path.parent) == []


@pytest.mark.parametrize("server", ["gone", ""])
async def test_what_a_killed_server_set_aside_goes_with_its_record(
    directory: JobDirectory, server: str
) -> None:
    """Else it is put back; earlier versions did not note the server."""
    store = InMemoryJobStore()
    known = make_job(2)
    await store.add(known)
    kept = JobDirectory(directory.path.with_name(known.id))
    kept.create(b"kept")
    other = JobDirectory(directory.path.with_name("other"))
    other.create(b"")
    folder = directory.path.parent
    for made in (directory, kept):
        SetAside(made, server)
    if not server:
        for path in folder.glob("*..removed"):
            path.rename(path.with_name(path.name.replace("..", ".")))
    await sweep_removed(folder, store, is_alive=is_alive)
    assert sorted(os.listdir(folder)) == [known.id, "other"]
    assert kept.call.read_bytes() == b"kept"


async def test_what_a_living_server_sets_aside_is_left_to_it(directory: JobDirectory) -> None:
    SetAside(directory, "here")
    await sweep_removed(directory.path.parent, InMemoryJobStore(), is_alive=is_alive)
    assert os.listdir(directory.path.parent) == [f"{JOB}.here.removed"]


@pytest.mark.parametrize("is_known", [True, False])
async def test_what_cannot_be_moved_or_removed_is_told_and_holds_up_nothing(
    directory: JobDirectory, caplog: pytest.LogCaptureFixture, is_known: bool
) -> None:
    store = InMemoryJobStore()
    if is_known:
        await store.add(make_job(1))
    (directory.path.parent / f"{JOB}.gone.removed").touch()
    await sweep_removed(directory.path.parent, store, is_alive=is_alive)
    assert f"{JOB}.gone.removed cannot be {'put back' if is_known else 'removed'}" in caplog.text


async def test_what_is_put_back_by_another_server_is_no_error(
    directory: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = InMemoryJobStore()
    await store.add(make_job(1))
    SetAside(directory, "gone")
    get = store.get
    folder = directory.path.parent

    async def get_while_another_does(job_id: str) -> Job:
        (folder / f"{JOB}.gone.removed").rename(directory.path)
        return await get(job_id)

    monkeypatch.setattr(store, "get", get_while_another_does)
    await sweep_removed(folder, store, is_alive=is_alive)
    assert os.listdir(folder) == [JOB]
