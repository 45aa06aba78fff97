# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What several unit tests put together: a whole service in this process, with real workers."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from deepaas.config import FetchSettings
from deepaas.execution.base import OnEnd
from deepaas.execution.claiming import JobLimits
from deepaas.execution.jobs import JobRunner
from deepaas.execution.local import LocalExecutor
from deepaas.execution.messages import Channel, ChannelClosed
from deepaas.execution.page import CallPage
from deepaas.execution.pool import Pool
from deepaas.execution.presence import ServerPresence
from deepaas.execution.queued import QueuedRunner
from deepaas.execution.worker import PredictionWorker
from deepaas.model.registry import ModelRegistry
from deepaas.records import Job, ModelSource, SourceKind
from deepaas.service import (
    Descriptions,
    EvaluationService,
    HealthService,
    JobHistory,
    JobObserver,
    JobService,
    Monitoring,
    Observer,
    PredictionQueue,
    PredictionService,
    Service,
    Switching,
    Traffic,
    UrlFetcher,
    VersionService,
)
from deepaas.service.predictions import error_of
from deepaas.store.base import Jobs, JobStore
from deepaas.telemetry.stalls import LoopWatch
from deepaas.testing import InMemoryJobStore, InMemoryMonitoringStore, InMemoryVersionStore

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
ECHO = ModelSource("echo", SourceKind.ENTRY_POINT, "tests.unit.echo")
#: Longer than any promise; it only ends what hangs.
PATIENCE_S = 60.0


def open_fds() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def ended(store: JobStore, job: Job) -> Job:
    """Wait for a job's recorded end and return it."""
    return await eventually(lambda: store.get(job.id), lambda found: found.state.is_final)


async def eventually(look: Callable[[], Awaitable[T]], suits: Callable[[T], object]) -> T:
    """Return the first thing that ``look`` finds and that suits, looking again and again.

    A look may be a request, and the processes that it waits for need the processor too.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not suits(found := await look()):  # noqa: ASYNC110 - others may change the store
            await asyncio.sleep(0.02)
    return found


def threads_in(monkeypatch: pytest.MonkeyPatch, method: str, path: Path) -> set[threading.Thread]:
    """Return the threads in which a method of a path is called, filled as it is."""
    found: set[threading.Thread] = set()
    original = getattr(Path, method)

    def noting(self: Path, *args: Any, **options: Any) -> Any:
        if self == path:
            found.add(threading.current_thread())
        return original(self, *args, **options)

    monkeypatch.setattr(Path, method, noting)
    return found


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, though its parent may not have asked how."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(what: Callable[[], T]) -> T:
    """Return the first true value that ``what`` gives, looking again and again."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := what()):
        assert time.monotonic() < deadline, f"{what} stayed {value!r}"
        time.sleep(0.005)
    return value


async def until(what: Callable[[], T]) -> T:
    """Do as :func:`wait_for` does, and let the event loop run meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while not (value := what()):  # noqa: ASYNC110 - nothing tells of what other processes do
            await asyncio.sleep(0.005)
    return value


class Elsewhere(InMemoryJobStore):
    """A store of which nothing is run or followed by the server that has it."""

    async def running(self) -> Jobs:
        """Hide what runs."""
        return []

    async def next_queued(
        self, models: Sequence[str], slots: int, *, kinds: Sequence[str], now: datetime
    ) -> Job | None:
        """Hide what waits."""
        return None


class ThreadExecutor(LocalExecutor):
    """Runs the code of the prediction workers in threads; trainings get processes as ever."""

    def __init__(self) -> None:
        super().__init__()
        self._controls: dict[int, Channel] = {}
        self._threads: list[threading.Thread] = []

    async def __aenter__(self) -> "ThreadExecutor":
        return self

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        fds: Sequence[int],
        on_end: OnEnd,
    ) -> int:
        """Start a thread that has the descriptors to itself, as a process would."""
        loop = asyncio.get_running_loop()
        key = len(self._threads)
        calls, control = (Channel(socket.socket(fileno=os.dup(fd))) for fd in fds[:2])
        page_fd = os.dup(fds[2])

        def run() -> None:
            page = CallPage(page_fd)
            status = 0
            try:
                status = PredictionWorker(calls, control, page).run()
            except (ChannelClosed, BrokenPipeError, ConnectionResetError):
                pass  # the server is gone
            finally:
                calls.close()
                control.close()
                page.close()
                os.close(page_fd)
                loop.call_soon_threadsafe(on_end, status)

        self._controls[key] = control
        self._threads.append(threading.Thread(target=run, name=f"worker {key}"))
        self._threads[-1].start()
        return key

    def stop(self, key: int, *, grace_s: float) -> None:
        """Cut the thread off after the grace."""

        def cut() -> None:
            if self._controls[key].fileno() != -1:
                self._controls[key].socket.shutdown(socket.SHUT_RDWR)

        asyncio.get_running_loop().call_later(grace_s, cut)

    async def close(self) -> None:
        """Wait for the threads and remove the uploads."""
        for thread in self._threads:
            thread.join()
        await super().close()


@asynccontextmanager
async def echo_service(
    tmp_path: Path,
    *,
    predict: bool = True,
    train: bool = True,
    store: JobStore | None = None,
    source: ModelSource = ECHO,
    max_jobs: int = 100,
    fetching: FetchSettings | None = None,
) -> AsyncIterator[Service]:
    """Open a service of one model, whose jobs are kept in memory and in ``tmp_path``.

    Args:
        tmp_path: For the jobs' directories.
        predict: Whether predictions are on.
        train: Whether trainings are on.
        store: Where jobs are kept, instead of a store in memory; not closed here.
        source: The model.
        max_jobs: How many predictions may be queued.
        fetching: What is fetched for the model; without it, nothing.
    """
    registry = ModelRegistry()
    store = store or InMemoryJobStore()
    async with AsyncExitStack() as stack:
        executor = await stack.enter_async_context(ThreadExecutor())
        pool = Pool(source, executor=executor, size=1, warm=True, on_loaded=registry.put)
        stack.push_async_callback(pool.close, grace_s=PATIENCE_S)
        pool.start()
        await pool.wait_loaded()
        pools = {source.name: pool}
        folder = tmp_path / "jobs"
        folder.mkdir(exist_ok=True)
        presence = ServerPresence(tmp_path / "servers")
        stack.callback(presence.close)
        runner = await stack.enter_async_context(
            JobRunner(
                store,
                folder,
                presence=presence,
                executor=executor,
                sources={source.name: source},
                limits=JobLimits(),
                warm=True,
                keep_trainings=False,
            )
        )
        traffic, watch = Traffic(), LoopWatch(0)
        fetcher = None if fetching is None else UrlFetcher.of(fetching, executor.uploads)
        jobs = JobService(
            registry,
            pools,
            is_enabled=train,
            are_shown=predict,
            store=store,
            runner=runner,
            fetcher=fetcher,
        )
        predictions = PredictionService(registry, pools, is_enabled=predict, fetcher=fetcher)
        switching = Switching(pools, in_place=False)
        versions = VersionService(registry, pools, switching, jobs)
        versions.open(InMemoryVersionStore(), store, presence=presence, folder=folder)
        stack.push_async_callback(versions.close)
        health = HealthService(registry, pools, jobs, switching.problems)
        history = JobHistory(jobs, versions)
        queue = PredictionQueue(
            pools, predictions, jobs, history, max_jobs=max_jobs, fetcher=fetcher
        )
        queued = await stack.enter_async_context(
            QueuedRunner(
                store,
                folder,
                presence=presence,
                pools=pools,
                explain=error_of,
                on_end=queue.on_end,
            )
        )
        queue.open(queued)
        job_observer = JobObserver(jobs)
        monitoring = Monitoring(pools, health, traffic, jobs, job_observer, interval_s=0)
        monitoring.open(InMemoryMonitoringStore())
        yield Service(
            registry,
            Descriptions(registry, pools),
            predictions,
            jobs,
            history,
            versions,
            EvaluationService(jobs, versions),
            health,
            queue,
            executor.uploads,
            traffic,
            Observer(pools, health, traffic, job_observer, watch),
            monitoring,
        )
