# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Claims queued trainings, follows running ones to their end, and recovers after a crash.

The store owns what was asked; a job's directory owns what happened. Running and recovering are one
path: a server follows jobs by their directories, whether it started them itself or found them after
the one that did had died.
"""

import asyncio
import logging
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deepaas.errors import GuardFailed, StorageFull, StorageUnavailable
from deepaas.execution.base import Executor
from deepaas.execution.basis import note_basis
from deepaas.execution.jobcall import JobCall, body_file
from deepaas.execution.jobdir import NO_SPACE, End, JobDirectory
from deepaas.execution.local import python
from deepaas.execution.messages import Begin
from deepaas.execution.presence import ServerPresence
from deepaas.execution.recovery import NeverBegun, settle, to_record
from deepaas.execution.workers import worker_environment
from deepaas.records import (
    PACKAGE_VERSION,
    Job,
    JobEnd,
    JobState,
    ModelSource,
    ServedVersion,
    UploadedFile,
)
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

#: How often to look at a job whose guard is no child of ours; its end is told by nothing else.
_LOOK_ADOPTED_S = 0.25
#: How often to look for what other servers queued or left behind.
_LOOK_S = 1.0
_MAX_GUARD_FAILURES = 3


@dataclass(slots=True)
class _Followed:
    job: Job
    #: Whether the guard is our child, so that its end is told to us.
    is_ours: bool
    has_ended: bool = False


class JobRunner:
    """Runs the jobs of the models of one server; opened and closed with ``async with``."""

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        *,
        presence: ServerPresence,
        executor: Executor,
        sources: Mapping[str, ModelSource],
        slots: int,
        warm: bool,
        cancel_grace_s: float,
        keep_trainings: bool,
        served: Callable[[str], ServedVersion] = lambda model: PACKAGE_VERSION,
        on_end: Callable[[Job], object] = lambda job: None,
    ) -> None:
        """Prepare; nothing runs before the runner is entered.

        Args:
            store: Where jobs are kept; not closed here.
            folder: Holds a directory for each job.
            presence: This server's place among those that share the store.
            executor: Starts the guards.
            sources: The models served; jobs of others are left alone.
            slots: How many jobs of these models run at once, on all servers of the store together.
            warm: Whether ``warm()`` runs before a training.
            cancel_grace_s: Seconds between SIGTERM and SIGKILL.
            keep_trainings: Whether running trainings go on when the server ends.
            served: Tells which version of a model is served.
            on_end: Called with each job that this server followed to its end, once it is recorded.
        """
        self._store = store
        self._folder = folder
        self._presence = presence
        self._executor = executor
        self._sources = sources
        self._slots = slots
        self._warm = warm
        self._cancel_grace_s = cancel_grace_s
        self._keep_trainings = keep_trainings
        self._served = served
        self._on_end = on_end
        self._followed: dict[str, _Followed] = {}
        #: Names of the steps that failed in the last round.
        self._held_up: set[str] = set()
        self._guard_failures: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "JobRunner":
        self._task = asyncio.create_task(self._run(), name="job runner")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if not self._keep_trainings:
            await self._interrupt_all()

    def directory(self, job_id: str) -> JobDirectory:
        """Return a job's directory."""
        return JobDirectory(self._folder / job_id)

    async def submit(self, job: Job, call: JobCall, body_fd: int | None = None) -> Job:
        """Accept a job: durable when this returns.

        Args:
            job: In state queued.
            call: Its input; uploaded files are moved into the job's directory.
            body_fd: A memory file with the JSON body, where it is not in ``call``.

        Raises:
            StorageFull: No space is left.
            StorageUnavailable: The state directory cannot be written.
        """
        call = replace(call, warm=self._warm)
        directory = self.directory(job.id)
        try:
            await asyncio.to_thread(_write_call, directory, call, body_fd)
            await self._store.add(job)
        except OSError as exc:
            await asyncio.to_thread(shutil.rmtree, directory.path, ignore_errors=True)
            raise _storage_error(exc, self._folder) from exc
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, directory.path, ignore_errors=True)
            raise
        self._wake.set()
        return job

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job and return it as decided: cancelled, or how it had ended before.

        The end is decided here and now, by whoever creates ``end.json`` first; the processes of a
        running training are ended after that, and its slot is free when they are gone.
        """
        job = await self._store.get(job_id)
        if job.state.is_final:
            return job
        end = await asyncio.to_thread(self._decide, job_id, End.now("cancelled"))
        if (await self._store.get(job_id)).state is JobState.QUEUED:
            await self._store.finish(job_id, end)
        self._wake.set()
        return job.evolve(
            state=end.state, finished=end.finished, message=end.message, result=end.result
        )

    def _decide(self, job_id: str, end: End) -> JobEnd:
        directory = self.directory(job_id)
        try:
            directory.decide(end)
            return to_record(directory.end() or end)
        except FileNotFoundError:
            return to_record(End.now("error", "The job's directory was removed."))
        except OSError as exc:
            raise _storage_error(exc, self._folder) from exc

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            for step in (self._adopt, self._settle, self._claim):
                await self._attempt(step)
            adopted = any(not followed.is_ours for followed in self._followed.values())
            try:
                async with asyncio.timeout(_LOOK_ADOPTED_S if adopted else _LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do one step; what it cannot do now, it does in a later round."""
        name = step.__name__
        try:
            await step()
        except Exception:
            if name not in self._held_up:
                logger.exception("The job runner is held up.", extra={"action": "jobs_held_up"})
            self._held_up.add(name)
        else:
            self._held_up.discard(name)

    async def _adopt(self) -> None:
        """Follow the running jobs of servers that are gone."""
        for job in await self._store.running():
            if job.id in self._followed or job.model not in self._sources:
                continue
            if await asyncio.to_thread(self._presence.is_alive, job.server):
                continue
            adopted = await self._store.adopt(
                job.id, old_server=job.server, server=self._presence.id
            )
            if adopted is not None:
                logger.info(
                    "Follows training %s, whose server is gone.",
                    job.id,
                    extra={"action": "job_adopted", "job": job.id},
                )
                self._followed[job.id] = _Followed(adopted, is_ours=False)

    async def _settle(self) -> None:
        """Record the end of the jobs that have ended; one that cannot be holds up no other."""
        failures = []
        for followed in list(self._followed.values()):
            if followed.is_ours and not followed.has_ended:
                continue
            try:
                await self._settle_one(followed.job)
            except Exception as exc:  # noqa: BLE001 - raised below
                failures.append(exc)
        if failures:
            raise failures[0]

    async def _settle_one(self, job: Job) -> None:
        try:
            end = await asyncio.to_thread(settle, self.directory(job.id), job.attempt)
        except NeverBegun:
            await self._store.unclaim(job.id, server=self._presence.id)
        else:
            if end is None:
                return
            self._on_end(await self._store.finish(job.id, end))
            logger.info(
                "Training %s of model %s ended: %s.",
                job.id,
                job.model,
                end.state,
                extra={"action": "job_ended", "job": job.id, "state": end.state},
            )
        del self._followed[job.id]

    async def _claim(self) -> None:
        """Start queued jobs while slots are free."""
        models = list(self._sources)
        while not self._closing:
            job = await self._store.next_queued(models, self._slots)
            if job is None or not await self._start(job, models):
                return

    async def _start(self, job: Job, models: list[str]) -> bool:
        directory = self.directory(job.id)
        if not directory.path.is_dir():
            end = End.now("error", "The job's directory was removed before it could start.")
            await self._store.finish(job.id, to_record(end))
            return True
        followed = _Followed(job, is_ours=True)
        gone = asyncio.Event()

        def ended() -> None:
            followed.has_ended = True
            gone.set()
            self._wake.set()

        try:
            process = await self._executor.start_job(directory, ended)
        except GuardFailed as exc:
            return await self._has_given_up(job, exc)
        if process is None:
            return False  # another server is at it
        try:
            if self._closing:
                return False  # it stays queued
            claimed = await self._store.claim(
                job.id,
                server=self._presence.id,
                models=models,
                slots=self._slots,
                now=datetime.now(UTC),
            )
            if claimed is None:
                return False
            followed.job = claimed
            self._followed[job.id] = followed
            await asyncio.to_thread(note_basis, directory, self._served(job.model))
            process.begin(self._begin(directory, claimed))
        except OSError:
            # The guard is gone already; its job is settled, and queued again, in the next round.
            logger.warning("The guard of training %s ended before it began.", job.id)
        finally:
            process.abandon()
            if job.id not in self._followed:
                await gone.wait()  # a guard that never began leaves at once
        return True

    async def _has_given_up(self, job: Job, exc: GuardFailed) -> bool:
        """End a job whose guard fails again and again, which would hold up all behind it."""
        self._guard_failures[job.id] += 1
        if self._guard_failures[job.id] < _MAX_GUARD_FAILURES:
            return False
        logger.error("Training %s: %s", job.id, exc.message, extra={"action": "guard_failed"})
        await self._store.finish(job.id, to_record(End.now("error", exc.message)))
        return True

    def _begin(self, directory: JobDirectory, job: Job) -> Begin:
        argv = python("deepaas.execution.worker", "train", str(directory.path))
        return Begin(argv, worker_environment(1), job.attempt, self._cancel_grace_s)

    async def _interrupt_all(self) -> None:
        """End the running trainings of this server, and see them recorded."""
        for followed in self._followed.values():
            end = End.now("interrupted", "The server was stopped.")
            try:
                await asyncio.to_thread(self._decide, followed.job.id, end)
            except StorageUnavailable as exc:
                # It goes on, and the next server follows it.
                logger.error("Training %s cannot be stopped: %s", followed.job.id, exc.message)
        try:
            async with asyncio.timeout(self._cancel_grace_s + 5):
                while self._followed:
                    await self._attempt(self._settle)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            logger.warning("%d trainings did not end in time.", len(self._followed))


def _write_call(directory: JobDirectory, call: JobCall, body_fd: int | None) -> None:
    given = call.input
    if body_fd is not None and given.body is None:
        given = replace(given, body=b"")  # noted as present; its text is copied below
    directory.create(b"")
    files = []
    for number, (name, file) in enumerate(given.files):
        target = directory.inputs / f"{number}{Path(file.filename or '').suffix}"
        shutil.move(file.filename or "", target)
        files.append((name, UploadedFile(file.name, str(target), *file[2:])))
    if body_fd is not None:
        with open(body_fd, "rb", closefd=False) as source, body_file(directory).open("wb") as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy)
    elif given.body is not None:
        body_file(directory).write_bytes(given.body)
    directory.call.write_bytes(replace(call, input=replace(given, files=tuple(files))).dump())
    _sync(directory)


def _sync(directory: JobDirectory) -> None:
    for path in (directory.call, *directory.inputs.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _storage_error(exc: OSError, folder: Path) -> StorageUnavailable:
    if exc.errno in NO_SPACE:
        return StorageFull(f"No space is left in {folder}.")
    return StorageUnavailable(f"{folder} cannot be written: {exc.strerror}.")
