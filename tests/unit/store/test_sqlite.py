# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The SQLite store keeps the contract, on its own and between processes that come and go."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deepaas
from deepaas.errors import DeepaasError, StorageFull, StorageUnavailable
from deepaas.records import JobEnd, JobPlace, JobState
from deepaas.store import sqlite_file
from deepaas.store.base import JobStore
from deepaas.store.queries import migrations
from deepaas.store.scenarios import TRAINS
from deepaas.store.sqlite import SqliteJobStore
from deepaas.testing import NOON, InMemoryJobStore, JobStoreContract, make_job, make_key


class TestSqliteJobStore(JobStoreContract):
    """The contract, on one file that two servers have open."""

    async def open_store(self, tmp_path: Path) -> JobStore:
        """Open the file once more."""
        return await SqliteJobStore.open(tmp_path / "jobs.sqlite")


class TestSqliteJobStoreOnNetwork(TestSqliteJobStore):
    """The contract, without a write-ahead log."""

    @pytest.fixture(autouse=True)
    def shared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make every path look like one that machines share."""
        monkeypatch.setattr(sqlite_file, "may_be_shared", lambda _: True)


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SqliteJobStore]:
    """Open a store and close it."""
    store = await SqliteJobStore.open(path, **options)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as another process that is writing would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def limit_pages(store: SqliteJobStore, more: int) -> None:
    """Let the file grow by so many pages only, as a full disk would."""

    def step(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + more}")

    await store.database.read(step)


def test_jobs_are_there_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "jobs.sqlite") as store:
            await store.add(make_job())
            ended = await store.finish(make_job().id, JobEnd(JobState.DONE, NOON, result="[1]"))
        async with opened(tmp_path / "jobs.sqlite") as store:
            assert await store.list() == [ended]

    asyncio.run(main())


def test_a_store_of_the_first_version_is_upgraded_with_its_jobs(tmp_path: Path) -> None:
    """In every state, also while a server of the new version works on it."""
    path = tmp_path / "jobs.sqlite"
    columns = "id, kind, model, state, created, arguments, started, finished, message, attempt"
    jobs = [
        make_job(
            number,
            state=state,
            arguments='{"epochs": 3}',
            started=NOON,
            finished=NOON if state.is_final else None,
            message=f"it is {state}",
        )
        for number, state in enumerate(JobState)
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        sqlite_file.migrate(connection, migrations()[:1])
        for job in jobs:
            values = [getattr(job, column) for column in columns.split(", ")]
            texts = [
                value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
                for value in values
            ]
            connection.execute(
                f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                texts,
            )

    async def main() -> None:
        async with opened(path) as store, opened(path) as other:
            assert await store.list() == jobs[::-1]
            assert await store.next_queued(["cat"], 2, **TRAINS) == jobs[0]
            await other.add(make_job(99, retries=2))
            assert await store.get(make_job(99).id) == make_job(99, retries=2)

    asyncio.run(main())


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "jobs.sqlite"
    with pytest.raises(StorageUnavailable, match=str(path)):
        asyncio.run(SqliteJobStore.open(path))


def test_a_full_disk_loses_nothing_and_heals(tmp_path: Path) -> None:
    """Reading, and recording ends once there is space again, go on."""

    async def main() -> None:
        async with opened(tmp_path / "jobs.sqlite") as store:
            await store.add(make_job(1))
            await limit_pages(store, 0)
            with pytest.raises(StorageFull) as caught:
                await store.check()
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            with pytest.raises(StorageFull):
                await store.add(make_job(2, arguments="x" * 100_000))
            assert await store.list() == [make_job(1)]
            await limit_pages(store, 1000)
            await store.check()
            await store.add(make_job(2))
            assert await store.list() == [make_job(2), make_job(1)]

    asyncio.run(main())


def test_check_proves_that_the_next_job_fits(tmp_path: Path) -> None:
    """Each check takes its space anew: a first success does not hide that the disk filled up."""

    async def main() -> None:
        async with opened(tmp_path / "jobs.sqlite") as store:
            await store.check()
            await limit_pages(store, 0)
            await store.add(make_job(arguments="x" * 60_000))
            with pytest.raises(StorageFull):
                await store.check()

    asyncio.run(main())


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"

    async def main() -> None:
        async with opened(path) as store:
            for number in range(100):
                await store.add(make_job(number))
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xaa" * (len(content) - 4096))
        with pytest.raises(StorageUnavailable, match="damaged or no database") as caught:
            async with opened(path) as store:
                await store.list()
        assert str(path) in caught.value.message

    asyncio.run(main())


def test_a_step_waits_for_another_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "jobs.sqlite") as store:
            with locked(store.database.path):
                adding = asyncio.ensure_future(store.add(make_job()))
                done, _ = await asyncio.wait({adding}, timeout=0.05)
                assert not done
            await adding
        async with opened(tmp_path / "jobs.sqlite", busy_timeout_s=0.05) as store:
            with locked(store.database.path), pytest.raises(StorageUnavailable, match="locked"):
                await store.check()

    asyncio.run(main())


def test_work_that_was_begun_is_carried_out_though_its_caller_is_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "jobs.sqlite") as store:
            with locked(store.database.path):
                calls = [asyncio.ensure_future(store.add(make_job(n))) for n in (1, 2)]
                await asyncio.wait(calls, timeout=0.05)
                for call in calls:
                    call.cancel()
                answers = await asyncio.gather(*calls, return_exceptions=True)
                assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2
            assert await store.list() == [make_job(2), make_job(1)]

    asyncio.run(main())


def test_a_cancelled_open_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"

    async def main() -> None:
        sqlite3.connect(path).close()
        with locked(path):
            opening = asyncio.ensure_future(SqliteJobStore.open(path))
            await asyncio.wait({opening}, timeout=0.05)
            opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert str(path) not in map(os.path.realpath, Path("/proc/self/fd").iterdir())

    asyncio.run(main())


def start(script: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that has the store open and waits for a line before it begins."""
    root = Path(deepaas.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PRELUDE + script, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    """Let a started process begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


PRELUDE = """
import asyncio, sys
from deepaas.records import JobEnd, JobState
from deepaas.store.sqlite import SqliteJobStore
from deepaas.store.contract import TRAINS
from deepaas.testing import NOON, make_job

def run(work):
    async def main():
        store = await SqliteJobStore.open(sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        await work(store)
        await store.close()
    asyncio.run(main())
"""

CLAIM_ALL = """
async def work(store):
    options = {"server": sys.argv[2], "models": ["cat"], "slots": 1000}
    while job := await store.next_queued(["cat"], 1000, **TRAINS):
        if await store.claim(job.id, **options, **TRAINS):
            print(job.id, flush=True)
run(work)
"""

WRITE_FOR_EVER = """
async def work(store):
    number = int(sys.argv[2])
    while True:
        job = make_job(number)
        await store.add(job)
        print("queued", job.id, flush=True)
        await store.claim(job.id, server="a", models=["cat"], slots=10**9, **TRAINS)
        print("running", job.id, flush=True)
        await store.finish(job.id, JobEnd(JobState.DONE, NOON, result="1"))
        print("done", job.id, flush=True)
        number += 1
run(work)
"""


def test_two_processes_get_each_job_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"

    async def fill() -> None:
        async with opened(path) as store:
            await asyncio.gather(*(store.add(make_job(n)) for n in range(200)))

    async def owners() -> dict[str, str | None]:
        async with opened(path) as store:
            return {job.id: job.server for job in await store.running()}

    asyncio.run(fill())
    processes = {name: start(CLAIM_ALL, path, name) for name in ("a", "b")}
    for process in processes.values():
        begin(process)
    claimed = {name: process.communicate()[0].split() for name, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0, 0]
    assert len(claimed["a"]) + len(claimed["b"]) == 200
    by_id = {job_id: name for name, job_ids in claimed.items() for job_id in job_ids}
    assert asyncio.run(owners()) == by_id


def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """While another process writes on, undisturbed."""
    path = tmp_path / "jobs.sqlite"
    order = ["queued", "running", "done"]

    async def check(acknowledged: dict[str, str]) -> None:
        async with opened(path) as store:
            for job_id, state in acknowledged.items():
                assert order.index((await store.get(job_id)).state) >= order.index(state)
            await store.check()

    bystander = start(WRITE_FOR_EVER, path, "1000000")
    begin(bystander)
    for attempt in range(4):
        victim = start(WRITE_FOR_EVER, path, str(attempt * 10_000))
        begin(victim)
        assert victim.stdout is not None
        lines = [victim.stdout.readline() for _ in range(40 + attempt)]
        victim.send_signal(signal.SIGKILL)
        lines += victim.communicate()[0].splitlines(keepends=True)
        whole = [line.split() for line in lines if line.endswith("\n")]
        asyncio.run(check({job_id: state for state, job_id in whole}))
    assert bystander.poll() is None
    bystander.kill()
    bystander.communicate()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


Call = Callable[[JobStore], Awaitable[object]]


def claim(number: int, server: str, slots: int) -> Call:
    """Make a call of claim."""
    job_id = make_job(number).id
    models = ["cat", "dog"]
    return lambda store: store.claim(job_id, server=server, models=models, slots=slots, **TRAINS)


numbers = st.integers(0, 3)
servers = st.sampled_from("ab")
keys = st.none() | st.builds(
    lambda key, fingerprint: make_key(key, fingerprint=fingerprint),
    st.sampled_from("kl"),
    st.sampled_from("12"),
)
calls: st.SearchStrategy[Call] = st.one_of(
    st.builds(
        lambda n, model, key: lambda store: store.add(make_job(n, model=model), key),
        numbers,
        st.sampled_from(["cat", "dog", "cow"]),
        keys,
    ),
    st.builds(lambda key: lambda store: store.find(key or make_key()), keys),
    st.builds(lambda n: lambda store: store.remove(make_job(n).id), numbers),
    st.builds(claim, numbers, servers, st.integers(0, 2)),
    st.builds(
        lambda n, a, d: (
            lambda store: store.unclaim(
                make_job(n).id,
                server=a,
                not_before=NOON + timedelta(minutes=d) if d else None,
                message=f"{d}",
            )
        ),
        numbers,
        servers,
        numbers,
    ),
    st.builds(
        lambda n, a, b: lambda store: store.adopt(make_job(n).id, old_server=a, server=b),
        numbers,
        servers | st.none(),
        servers,
    ),
    st.builds(
        lambda n, s: lambda store: store.finish(make_job(n).id, JobEnd(s, NOON, message=s)),
        numbers,
        st.sampled_from(JobState),
    ),
    st.builds(
        lambda n, d: lambda store: store.hide(make_job(n).id, NOON + timedelta(d)), numbers, numbers
    ),
    st.builds(lambda n: lambda store: store.next_queued(["dog", "cat"], n, **TRAINS), numbers),
    st.builds(
        lambda m, s, h, o, n: (
            lambda store: store.list(
                m,
                states=s,
                include_hidden=h,
                oldest_first=o,
                after=JobPlace(make_job(n).created, make_job(n).id) if n else None,
            )
        ),
        st.sampled_from(["cat", "dog", None]),
        st.none() | st.sets(st.sampled_from(JobState)),
        st.booleans(),
        st.booleans(),
        numbers,
    ),
)


@given(st.lists(calls, max_size=30))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_does_what_the_store_in_memory_does(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[Call]
) -> None:
    """Whatever is called in whatever order, both answer the same, errors too."""

    async def answer(call: Call, store: JobStore) -> object:
        try:
            return await call(store)
        except DeepaasError as exc:
            return type(exc)

    async def main() -> None:
        memory = InMemoryJobStore()
        async with opened(tmp_path_factory.mktemp("jobs") / "jobs.sqlite") as store:
            for call in sequence:
                assert await answer(call, store) == await answer(call, memory)
            everything = await memory.list(include_hidden=True)
            assert await store.list(include_hidden=True) == everything
            assert await store.count_by_state() == await memory.count_by_state()

    asyncio.run(main())
