# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Accept jobs that run in processes of their own, and the trainings of version 2's routes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deepaas.auth import Principal
from deepaas.errors import (
    EndpointDisabled,
    JobNotEnded,
    JobNotFound,
    NotImplementedByModel,
    StorageUnavailable,
    Unavailable,
)
from deepaas.execution.base import ModelPool
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobs import JobRunner, files_are_gone
from deepaas.execution.journal import last_progress
from deepaas.finishing import finished
from deepaas.model.fetched import fetched_of
from deepaas.model.registry import JobFunction, ModelRegistry
from deepaas.records import CallInput, Job, JobState, ServedVersion
from deepaas.service.fetching import UrlFetcher
from deepaas.service.idempotency import input_fingerprint, operation_fingerprint
from deepaas.service.incoming import Incoming
from deepaas.service.job_input import shown_arguments, without_credentials
from deepaas.service.job_request import TRAIN, JobRequest
from deepaas.service.ownership import may_see, require_change, sees_all
from deepaas.store.base import JobStore

#: Finds the version that a job is about.
FindVersion = Callable[[], Awaitable[ServedVersion]]

_LISTED = 1000
_STARTING = "The service is starting."
#: How long a request waits for the processes of a job whose end is shown already.
_RECORDED_WITHIN_S = 2.0
_LOOK_S = 0.05


class JobService:
    """The jobs of the served models; without a usable state directory every method says so."""

    def __init__(
        self,
        registry: ModelRegistry,
        pools: Mapping[str, ModelPool],
        *,
        is_enabled: bool,
        are_shown: bool = False,
        store: JobStore | None = None,
        runner: JobRunner | None = None,
        problem: StorageUnavailable | None = None,
        is_starting: bool = False,
        fetcher: UrlFetcher | None = None,
    ) -> None:
        self._registry = registry
        self._pools = pools
        self._is_enabled = is_enabled
        #: Whether there are jobs to show although trainings are off.
        self._are_shown = are_shown
        self._store = store
        self._runner = runner
        self._problem = problem
        #: ``None``: nothing is fetched.
        self._fetcher = fetcher
        #: Whether :meth:`open` or :meth:`refuse` is yet to come.
        self.is_starting = is_starting
        self._changing: set[asyncio.Task[Job]] = set()

    def open(self, store: JobStore, runner: JobRunner) -> None:
        """Begin to take trainings; neither is closed here."""
        self._store = store
        self._runner = runner
        self._problem = None
        self.is_starting = False

    def refuse(self, problem: StorageUnavailable) -> None:
        """Refuse trainings, for the reason given."""
        self._problem = problem
        self.is_starting = False

    @property
    def problem(self) -> str | None:
        """Why the last training was refused, if the service was the reason, else ``None``."""
        if self.is_starting:
            return _STARTING
        return self._problem.public_message if self._problem is not None else None

    def opened(self, model: str) -> tuple[JobStore, JobRunner]:
        """Return what keeps and what runs the trainings of a model, as :meth:`kept`.

        Raises:
            EndpointDisabled: Trainings are switched off.
        """
        if not self._is_enabled:
            raise EndpointDisabled
        return self.kept(model)

    def kept(self, model: str) -> tuple[JobStore, JobRunner]:
        """Return what keeps and what runs the jobs of a model; neither is closed by the caller.

        Raises:
            EndpointDisabled: Jobs of every kind are switched off.
            ModelNotFound: No such model.
            Unavailable: The service is starting.
            StorageUnavailable: The state directory cannot be used.
        """
        if not (self._is_enabled or self._are_shown):
            raise EndpointDisabled
        self._registry.get(model)
        if self._store is None or self._runner is None:
            if self.is_starting:
                raise Unavailable(_STARTING)
            raise self._problem or StorageUnavailable()
        return self._store, self._runner

    async def train(
        self,
        model: str,
        incoming: Incoming,
        *,
        principal: Principal,
        request_id: str,
        key: str | None = None,
    ) -> Job:
        """Accept a training; it is durable when this returns. Releases ``incoming``.

        Args:
            model: Its name.
            incoming: The input.
            principal: Who asks.
            request_id: Of the request.
            key: The principal's own name for the request. If it comes again, the training that was
                accepted the first time is returned, as it is then.

        Raises:
            EndpointDisabled: Trainings are switched off.
            ModelNotFound: No such model.
            NotImplementedByModel: It does not train.
            InvalidArguments, MalformedBody: The input is wrong.
            KeyReused: The key came with another input before.
            StorageFull, StorageUnavailable: The state directory cannot take it.
        """
        request = JobRequest(TRAIN, model, principal, request_id, key)
        return await self.accept(request, incoming)

    async def accept(
        self, request: JobRequest, incoming: Incoming, find_version: FindVersion | None = None
    ) -> Job:
        """Accept a job of any kind; otherwise as :meth:`train`. Releases ``incoming``.

        Args:
            request: What is asked for.
            incoming: The input.
            find_version: Finds the version that it is about, and raises what is wrong with it;
                ``None``: it is about what is served when it starts.
        """
        return await self.whole(self._accept(request, incoming, find_version))

    async def retry(
        self,
        model: str,
        job_id: str,
        *,
        principal: Principal,
        request_id: str,
        key: str | None = None,
    ) -> Job:
        """Accept a new job with the input of one that has ended; otherwise as :meth:`train`.

        Raises:
            JobNotFound: No such job that the principal may see.
            Forbidden: It is another's.
            JobNotEnded: It is queued or running, or its processes are still there.
            Conflict: Its files are gone.
        """
        # Of whatever kind the job is: its retries have one scope for their keys.
        request = JobRequest(TRAIN, model, principal, request_id, key)
        return await self.whole(self._accept_again(request, job_id))

    async def whole(self, change: Coroutine[Any, Any, Job]) -> Job:
        """Do it in a task of its own: a client that goes away leaves all of it or nothing."""
        task = asyncio.create_task(change)
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await finished(task)

    async def _accept(
        self, request: JobRequest, incoming: Incoming, find_version: FindVersion | None
    ) -> Job:
        try:
            with self.noting_problems():
                store, runner = self.opened(request.model)
                function = self._function(request)
                given = without_credentials(incoming.given, function.arguments)
                name = None
                if request.key is not None:
                    asked = await asyncio.to_thread(
                        input_fingerprint, given, incoming.body_fd, request.version
                    )
                    name = request.keyed(asked)
                if name is not None and (earlier := await store.find(name)) is not None:
                    return earlier
                await runner.require_space()
                version = None if find_version is None else await find_version()
                fetched = fetched_of(function.arguments)
                if fetched and self._fetcher is not None:
                    await self._fetcher.fetch(incoming, fetched, function.parser)
                    given = replace(given, files=incoming.given.files)
                shown = await shown_arguments(
                    request, incoming, parser=function.parser, pool=self._pools[request.model]
                )
                job = _new_job(request, function, shown)
                if version is not None:
                    job = job.evolve(version=version.number)
                call = replace(self._call(request), input=given)
                accepted = await runner.submit(
                    job, call, incoming.body_fd, key=name, version=version
                )
                self.note_accepted()
                return accepted
        finally:
            incoming.release()

    async def _accept_again(self, request: JobRequest, job_id: str) -> Job:
        with self.noting_problems():
            store, runner = self.opened(request.model)
            name = request.keyed(operation_fingerprint("retry", job_id))
            if name is not None and (earlier := await store.find(name)) is not None:
                return earlier
            # Later: what was started anew stays so when the job is removed.
            ended = await self.recorded(request.model, job_id, request.principal)
            require_change(request.principal, ended)
            again = replace(request, kind=ended.kind)
            function = self._function(again)
            if not ended.state.is_final:
                raise JobNotEnded(job_id)
            directory = runner.directory(job_id)
            if not await asyncio.to_thread(directory.call.exists):
                raise files_are_gone(job_id)
            await runner.require_space()
            job = _new_job(again, function, ended.arguments).evolve(version=ended.version)
            # One that is done would have nothing left to do from its checkpoints on.
            goes_on = job.resumable and ended.state is not JobState.DONE
            accepted = await runner.submit_again(
                job, job_id, self._call(request), keeps_checkpoints=goes_on, key=name
            )
            self.note_accepted()
            return accepted

    def _function(self, request: JobRequest) -> JobFunction:
        function = self._registry.get(request.model).job_functions[request.kind]
        if not function.is_there:
            raise NotImplementedByModel(request.model)
        return function

    def _call(self, request: JobRequest) -> JobCall:
        """Return a call without its input."""
        return JobCall(
            self._pools[request.model].source,
            CallInput(),
            warm=True,
            request_id=request.request_id,
            principal=request.principal.name,
        )

    def note_accepted(self) -> None:
        """Note, for readiness, that the storage took a job."""
        self._problem = None

    @contextmanager
    def noting_problems(self) -> Iterator[None]:
        """Keep in mind, for readiness, why the storage did not take what it was given last.

        That it does take something is noted where it has, not where nothing was given to it.
        """
        try:
            yield
        except StorageUnavailable as exc:
            self._problem = exc
            raise

    async def list(self, model: str, principal: Principal) -> list[Job]:
        """Return the newest trainings of a model that were not deleted, newest first.

        Those of others are left out for whoever may not see them, and for anonymous callers those
        of all: nothing says which are their own.
        """
        store, _ = self.opened(model)
        if sees_all(principal, model):
            return await store.list(model, kind=TRAIN, limit=_LISTED)
        if principal.name is None:
            return []
        return await store.list(model, kind=TRAIN, owner=principal.name, limit=_LISTED)

    async def find(self, model: str, job_id: str, principal: Principal) -> Job:
        """Return a job, whatever its kind, and whether it is hidden or not.

        Raises:
            JobNotFound: The model has none of that id that the principal may see.
        """
        store, _ = self.kept(model)
        job = await store.get(job_id)
        if job.model != model or not may_see(principal, job):
            raise JobNotFound(job_id)
        return job

    async def recorded(self, model: str, job_id: str, principal: Principal) -> Job:
        """Return a job; one whose end stands, once its processes are gone, or after a while.

        Raises:
            JobNotFound: The model has none of that id that the principal may see.
        """
        _, runner = self.kept(model)
        job = await self.find(model, job_id, principal)
        if job.state.is_final:
            return job
        if not await asyncio.to_thread(runner.directory(job_id).is_decided):
            return job
        deadline = asyncio.get_running_loop().time() + _RECORDED_WITHIN_S
        while True:
            job = await self.find(model, job_id, principal)
            if job.state.is_final or asyncio.get_running_loop().time() > deadline:
                return job
            await asyncio.sleep(_LOOK_S)

    async def get(self, model: str, job_id: str, principal: Principal) -> Job:
        """Return a training.

        Raises:
            JobNotFound: There is none that the principal may see, or it was deleted.
        """
        self.opened(model)
        job = await self.find(model, job_id, principal)
        if job.kind != TRAIN or job.hidden_at is not None:
            raise JobNotFound(job_id)
        return job

    async def delete(self, model: str, job_id: str, principal: Principal) -> Job:
        """Cancel a training if it has not ended, and take it out of the list.

        Returns:
            The training as it ended: cancelled, or as it had ended before.

        Raises:
            JobNotFound: There is none that the principal may see, or it was deleted.
            Forbidden: The principal may not do that with it.
        """
        return await self.whole(self._delete(model, job_id, principal))

    async def _delete(self, model: str, job_id: str, principal: Principal) -> Job:
        store, runner = self.opened(model)
        require_change(principal, await self.get(model, job_id, principal))
        job = await runner.cancel(job_id)
        await store.hide(job_id, datetime.now(UTC))
        return job

    async def progress(self, job: Job) -> Mapping[str, Any] | None:
        """Return the last progress that a training's attempt reported, ``None`` if it did not."""
        if self._runner is None or job.started is None:
            return None
        events = self._runner.directory(job.id).events
        return await asyncio.to_thread(last_progress, events, job.attempt)


def _new_job(request: JobRequest, function: JobFunction, arguments: str) -> Job:
    training = function.training
    job = request.new_job(arguments)
    return job.evolve(resumable=training.resumable, retries=training.retries)
