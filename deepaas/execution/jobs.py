# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Runs jobs: accepts them, cancels them, and goes round to adopt, settle and start.

The store owns what was asked; a job's directory owns what happened. Running and recovering are one
path: a server follows jobs by their directories, whether it started them itself or found them after
the one that did had died.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from deepaas.errors import Conflict, JobNotFound
from deepaas.execution import submission
from deepaas.execution.base import Executor
from deepaas.execution.basis import basis_of, note_basis, require_whole
from deepaas.execution.claiming import JobClaimer, JobLimits
from deepaas.execution.disk import require_free
from deepaas.execution.following import JobFollower
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.presence import ServerPresence
from deepaas.execution.recovery import note_end, to_record
from deepaas.execution.steps import Steps
from deepaas.finishing import finished
from deepaas.records import (
    PACKAGE_VERSION,
    IdempotencyKey,
    Job,
    JobEnd,
    JobState,
    ModelSource,
    ServedVersion,
)
from deepaas.store.base import JobStore

logger = logging.getLogger(__name__)

#: How often to look at a job whose guard is no child of ours; its end is told by nothing else.
_LOOK_ADOPTED_S = 0.25
#: How often to look for what other servers queued or left behind.
_LOOK_S = 1.0
#: What guards get, after the grace, to record the end of what they killed.
_LEAVE_S = 5.0


def files_are_gone(job_id: str) -> Conflict:
    """Return what a client is told who asks for the input of a job without a directory."""
    return Conflict(f"The files of the job {job_id!r} are gone; start a new one.")


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
        limits: JobLimits,
        warm: bool,
        keep_trainings: bool,
        force: asyncio.Event | None = None,
        served: Callable[[str], ServedVersion] = lambda model: PACKAGE_VERSION,
        before_end: Callable[[Job], Awaitable[object]] | None = None,
        on_end: Callable[[Job], object] = lambda job: None,
    ) -> None:
        """Prepare; nothing runs before the runner is entered.

        Args:
            store: Where jobs are kept; not closed here.
            folder: Holds a directory for each job.
            presence: This server's place among those that share the store.
            executor: Starts the guards.
            sources: The models served; jobs of others are left alone.
            limits: How many jobs run at once, and what they get.
            warm: Whether ``warm()`` runs before a training.
            keep_trainings: Whether running trainings go on when the server ends.
            force: When it is set, trainings that are being stopped get no more time.
            served: Tells which version of a model is served.
            before_end: Called with each job whose end is about to be recorded; raises nothing.
            on_end: Called with each job that this server followed to its end, once it is recorded.
        """
        self._store = store
        self._folder = folder
        self._presence = presence
        self._limits = limits
        self._warm = warm
        self._keep_trainings = keep_trainings
        self._force = force or asyncio.Event()
        self._wake = asyncio.Event()
        self._follower = JobFollower(
            store, folder, presence=presence, models=sources, before_end=before_end, on_end=on_end
        )
        self._claimer = JobClaimer(
            store,
            folder,
            server=presence.id,
            executor=executor,
            sources=sources,
            limits=limits,
            follower=self._follower,
            wake=self._wake.set,
            served=served,
        )
        self._steps = Steps("The job runner is")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "JobRunner":
        await self._steps.attempt(self._collect)
        await self._steps.attempt(self._follower.finish_queued)
        self._task = asyncio.create_task(self._run(), name="job runner")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._claimer.is_closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if not self._keep_trainings:
            await self._interrupt_all()

    @property
    def server(self) -> str:
        """Id of this server."""
        return self._presence.id

    def directory(self, job_id: str) -> JobDirectory:
        """Return a job's directory."""
        return JobDirectory(self._folder / job_id)

    async def require_space(self) -> None:
        """Prove that a job could be kept now; writes nothing where less is free than asked for.

        Raises:
            StorageFull: Too little space is left.
            StorageUnavailable: The state directory cannot be written.
        """
        try:
            await asyncio.to_thread(require_free, self._folder, self._limits.min_free_bytes)
        except OSError as exc:
            raise submission.storage_error(exc, self._folder) from exc
        await self._store.check()

    async def submit(
        self,
        job: Job,
        call: JobCall,
        body_fd: int | None = None,
        *,
        key: IdempotencyKey | None = None,
        version: ServedVersion | None = None,
    ) -> Job:
        """Accept a job: durable when this returns.

        Args:
            job: In state queued.
            call: Its input; uploaded files are moved into the job's directory.
            body_fd: A memory file with the JSON body, where it is not in ``call``.
            key: The client's name for the request.
            version: What the job is about; ``None``: what is served when it starts.

        Returns:
            The job, or the one that was accepted with the key before.

        Raises:
            Conflict: The files of the version are gone; if they go in this moment, the job that is
                returned ends so.
            KeyReused: The key came with another input before.
            StorageFull: No space is left.
            StorageUnavailable: The state directory cannot be written.
        """
        call = replace(call, warm=self._warm)
        return await self._accept(
            job,
            lambda directory: submission.write_call(directory, call, body_fd),
            key=key,
            version=version,
        )

    async def submit_again(
        self,
        job: Job,
        ended: str,
        call: JobCall,
        *,
        keeps_checkpoints: bool,
        key: IdempotencyKey | None = None,
    ) -> Job:
        """Accept a job with the input of one that has ended; otherwise as :meth:`submit`.

        Args:
            job: In state queued; one with a version is about that of the other job.
            ended: Id of the other job.
            call: Its input is replaced.
            keeps_checkpoints: Whether the job begins with copies of the other one's checkpoints.
            key: The client's name for the request.

        Raises:
            Conflict: The other job's files are gone, or those of the version.
        """
        call = replace(call, warm=self._warm)
        source = self.directory(ended)

        def write(directory: JobDirectory) -> None:
            try:
                submission.write_again(source, directory, call, keeps_checkpoints=keeps_checkpoints)
            except FileNotFoundError as exc:
                if source.call.exists():
                    raise
                raise files_are_gone(ended) from exc

        version = None if job.version is None else await asyncio.to_thread(basis_of, source)
        return await self._accept(job, write, key=key, version=version)

    async def _accept(
        self,
        job: Job,
        write_input: Callable[[JobDirectory], None],
        *,
        key: IdempotencyKey | None,
        version: ServedVersion | None,
    ) -> Job:
        def write(directory: JobDirectory) -> None:
            if version is not None:
                require_whole(version)
            write_input(directory)
            if version is not None:
                note_basis(directory, version)

        kept: Job | None = None
        try:
            await asyncio.to_thread(
                submission.write,
                self.directory(job.id),
                write,
                server=self._presence.id,
                attempt=job.attempt,
            )
            kept = await self._store.add(job, key)
        except OSError as exc:
            raise submission.storage_error(exc, self._folder) from exc
        finally:
            is_known = kept is not None and kept.id == job.id
            await self._forget(self._presence.id, job.id, is_known=is_known)
        if version is not None and is_known:
            kept = await self._end_if_gone(kept, version)
        self._wake.set()
        return kept

    async def _end_if_gone(self, job: Job, version: ServedVersion) -> Job:
        """End a job whose version was removed before anybody knew that the job needs it.

        Who removes one takes the files away first and looks for such jobs then, so that one of the
        two sees the other.
        """
        try:
            await asyncio.to_thread(require_whole, version)
        except Conflict as exc:
            return await self._end(job.id, End.now("error", exc.message))
        return job

    async def _forget(self, server: str, job_id: str, *, is_known: bool) -> None:
        """End a submission; what cannot be removed now is removed by a later server."""
        try:
            await asyncio.to_thread(
                submission.forget, self._folder, server, job_id, is_known=is_known
            )
        except OSError as exc:
            logger.warning("A mark in %s cannot be removed: %s.", self._folder, exc.strerror)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job and return it as decided: cancelled, or how it had ended before.

        The end is decided here and now, by whoever creates ``end.json`` first; the processes of a
        running training are ended after that, and its slot is free when they are gone.
        """
        # Shielded: a client that goes away does not leave an end that is decided and not recorded.
        return await finished(asyncio.ensure_future(self._end(job_id, End.now("cancelled"))))

    async def _end(self, job_id: str, wanted: End) -> Job:
        job = await self._store.get(job_id)
        if job.state.is_final:
            return job
        end = await asyncio.to_thread(self._decide, job, wanted)
        # Again: it may have been started, or queued for another attempt, meanwhile.
        job = await self._store.get(job_id)
        if job.state is JobState.QUEUED:
            await asyncio.to_thread(self._note_end, job)
            job = await self._store.finish(job_id, end)
        self._wake.set()
        return job.evolve(
            state=end.state, finished=end.finished, message=end.message, result=end.result
        )

    def _decide(self, job: Job, end: End) -> JobEnd:
        directory = self.directory(job.id)
        try:
            directory.decide(end)
            return to_record(directory.end() or end)
        except FileNotFoundError:
            return to_record(End.now("error", "The job's directory was removed."))
        except OSError as exc:
            raise submission.storage_error(exc, self._folder) from exc

    def _note_end(self, job: Job) -> None:
        directory = self.directory(job.id)
        if (end := directory.end()) is not None:
            note_end(directory, job.attempt, end)

    async def _run(self) -> None:
        steps = (self._follower.adopt, self._follower.settle, self._claimer.claim)
        while not self._claimer.is_closing:
            self._wake.clear()
            for step in steps:
                await self._steps.attempt(step)
            try:
                async with asyncio.timeout(
                    _LOOK_ADOPTED_S if self._follower.has_adopted else _LOOK_S
                ):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _collect(self) -> None:
        """Remove what servers that were killed had submitted by half."""
        is_alive = self._presence.is_alive
        for server, job_id in await asyncio.to_thread(submission.abandoned, self._folder, is_alive):
            try:
                await self._store.get(job_id)
                is_known = True
            except JobNotFound:
                is_known = False
            await self._forget(server, job_id, is_known=is_known)

    async def _interrupt_all(self) -> None:
        """End the running trainings of this server, and see them recorded."""
        await self._follower.stop_all()
        forcing = asyncio.create_task(self._kill_when_forced())
        try:
            async with asyncio.timeout(self._limits.cancel_grace_s + _LEAVE_S):
                while self._follower:
                    await self._steps.attempt(self._follower.settle)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            logger.warning("%d trainings did not end in time.", len(self._follower))
        finally:
            forcing.cancel()
            await asyncio.wait({forcing})

    async def _kill_when_forced(self) -> None:
        await self._force.wait()
        await self._follower.kill_all()
