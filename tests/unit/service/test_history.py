# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Reading what jobs left holds up nobody else, and leaves nothing open."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import pytest

from deepaas.auth import Policy, Principal
from deepaas.execution.artifacts import checksum_of
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import JobEnd, JobState
from deepaas.service.history import JobHistory
from deepaas.testing import NOON, make_job
from tests.unit.parts import Elsewhere, echo_service, open_fds, until

WHO = Principal(None, frozenset(Policy))


class Scene(NamedTuple):
    """A job that has ended, whose artifact nobody has sealed."""

    history: JobHistory
    directory: JobDirectory
    job: str


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    store = Elsewhere()
    job = make_job(1, model="echo")
    async with echo_service(tmp_path, store=store) as service:
        await store.add(job)
        await store.finish(job.id, JobEnd(JobState.DONE, NOON))
        directory = JobDirectory(tmp_path / "jobs" / job.id)
        directory.create(b"")
        (directory.artifacts / "m.bin").write_bytes(b"weights")
        yield Scene(service.history, directory, job.id)


async def test_who_leaves_while_a_file_is_opened_leaves_it_closed(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        await there.history.view("echo", there.job, WHO)  # the threads are there
        # Who opens a pipe to read it waits for who writes it.
        os.mkfifo(there.directory.log)
        before = open_fds()
        opening = asyncio.create_task(there.history.open_log("echo", there.job, WHO))

        def leave() -> bool:
            try:
                os.close(os.open(there.directory.log, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return False  # it does not wait yet
            return opening.cancel()

        await until(leave)
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: open_fds() <= before)


async def test_who_leaves_an_open_that_fails_hears_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as there:
        before = open_fds()
        opening = asyncio.create_task(there.history.open_artifact("echo", there.job, WHO, "none"))
        while not opening.done():
            await asyncio.sleep(0)
            opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: open_fds() <= before)
    assert caplog.text == ""


async def test_sealing_holds_up_nobody_and_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()
    hashed = []

    def slowly(content: BufferedReader) -> str:
        hashed.append(content)
        started.set()
        assert go_on.wait(60)
        return checksum_of(content)

    monkeypatch.setattr("deepaas.execution.artifacts.checksum_of", slowly)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with scene(tmp_path) as there:
        asked = [
            asyncio.create_task(there.history.artifacts("echo", there.job, WHO)) for _ in range(2)
        ]
        sent = asyncio.create_task(there.history.open_artifact("echo", there.job, WHO, "m.bin"))
        try:
            await until(started.is_set)
            assert (await there.history.view("echo", there.job, WHO)).job.state is JobState.DONE
        finally:
            go_on.set()
        (first,), (second,) = await asyncio.gather(*asked)
        fd, file = await sent
        os.close(fd)
        assert first == second == file
        assert file.sha256 is not None
        assert len(hashed) == 1
