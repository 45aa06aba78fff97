# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Predictions that are accepted now, run when there is room, and answered when asked for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from deepaas.auth import Principal
from deepaas.errors import (
    Conflict,
    JobNotEnded,
    QueueFull,
)
from deepaas.execution.base import ModelPool
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.jobs import files_are_gone
from deepaas.execution.queued import PREDICT, QueuedRunner
from deepaas.model.arguments import display_briefly
from deepaas.records import CallInput, Job, JobState
from deepaas.service.fetching import UrlFetcher
from deepaas.service.history import JobHistory
from deepaas.service.idempotency import input_fingerprint, operation_fingerprint
from deepaas.service.incoming import Incoming
from deepaas.service.job_input import shown_arguments, without_credentials
from deepaas.service.job_request import JobRequest
from deepaas.service.jobs import JobService
from deepaas.service.ownership import require_change
from deepaas.service.predictions import PredictionService
from deepaas.service.results import KeptResult, read_result
from deepaas.service.waiting import EndWaiters
from deepaas.store.base import JobStore

#: How often to look for ends that other servers decide, and whether this one ends.
_LOOK_S = 0.5


class PredictionQueue:
    """The queued predictions of the served models.

    Its methods raise what :meth:`JobService.kept` does, and
    :class:`~deepaas.errors.JobNotFound` for a job that the model does not have, or that the
    principal may not see.
    """

    def __init__(
        self,
        pools: Mapping[str, ModelPool],
        predictions: PredictionService,
        jobs: JobService,
        history: JobHistory,
        *,
        max_jobs: int,
        fetcher: UrlFetcher | None = None,
    ) -> None:
        """Take nothing before :meth:`open`.

        Args:
            pools: What runs the models.
            predictions: Knows which models predict.
            jobs: Knows where jobs are kept.
            history: Shows them.
            max_jobs: How many predictions of a model may be queued.
            fetcher: Fetches what clients name by address; ``None``: nothing is fetched.
        """
        self._pools = pools
        self._predictions = predictions
        self._jobs = jobs
        self._history = history
        self._max_jobs = max_jobs
        self._fetcher = fetcher
        self._runner: QueuedRunner | None = None
        #: How many of each model are being accepted.
        self._accepting: Counter[str] = Counter()
        self._waiters = EndWaiters()

    def open(self, runner: QueuedRunner) -> None:
        """Tell a runner of what is accepted; it is not closed here."""
        self._runner = runner

    async def accept(
        self,
        model: str,
        incoming: Incoming,
        *,
        principal: Principal,
        request_id: str,
        stream: str = "",
        key: str | None = None,
    ) -> Job:
        """Accept a prediction; it is durable when this returns. Releases ``incoming``.

        Args:
            model: Its name.
            incoming: What the client sent.
            principal: Who asks.
            request_id: Of the request.
            stream: See :meth:`PredictionService.predict`; it is collected in this form.
            key: The principal's own name for the request. If it comes again, the job that was
                accepted the first time is returned, as it is then.

        Raises:
            EndpointDisabled: Predictions are switched off.
            ModelNotFound: No such model.
            NotImplementedByModel: It does not predict.
            InvalidArguments, MalformedBody: The input is wrong.
            KeyReused: The key came with another input before.
            QueueFull: Too many are queued.
            StorageFull, StorageUnavailable: The state directory cannot take it.
        """
        request = JobRequest(PREDICT, model, principal, request_id, key)
        return await self._jobs.whole(self._accept(request, incoming, stream))

    async def _accept(self, request: JobRequest, incoming: Incoming, stream: str) -> Job:
        try:
            with self._jobs.noting_problems():
                registered = self._predictions.require(request.model)
                store, runner = self._jobs.kept(request.model)
                given = without_credentials(
                    incoming.given, registered.description.predict_arguments
                )
                name = None
                if request.key is not None:
                    asked = await asyncio.to_thread(
                        input_fingerprint, given, incoming.body_fd, stream=stream
                    )
                    name = request.keyed(asked)
                if name is not None and (earlier := await store.find(name)) is not None:
                    return earlier
                await runner.require_space()
                if registered.predict_fetched and self._fetcher is not None:
                    await self._fetcher.fetch(
                        incoming, registered.predict_fetched, registered.predict_parser
                    )
                    given = replace(given, files=incoming.given.files)
                async with self._place(store, request.model):
                    shown = await shown_arguments(
                        request,
                        incoming,
                        parser=registered.predict_parser,
                        pool=self._pools[request.model],
                        show=display_briefly,
                    )
                    job = request.new_job(shown)
                    call = self._call(request, stream, given)
                    accepted = await runner.submit(job, call, incoming.body_fd, key=name)
                self._note_accepted()
                return accepted
        finally:
            incoming.release()

    async def retry(
        self,
        model: str,
        job_id: str,
        *,
        principal: Principal,
        request_id: str,
        key: str | None = None,
    ) -> Job:
        """Accept a new prediction with the input of one that has ended; as :meth:`accept`.

        Raises:
            JobNotFound: No such job that the principal may see.
            Forbidden: It is another's.
            JobNotEnded: It is queued or running.
            Conflict: Its files are gone.
        """
        request = JobRequest(PREDICT, model, principal, request_id, key)
        return await self._jobs.whole(self._accept_again(request, job_id))

    async def _accept_again(self, request: JobRequest, job_id: str) -> Job:
        with self._jobs.noting_problems():
            self._predictions.require(request.model)
            store, runner = self._jobs.kept(request.model)
            name = request.keyed(operation_fingerprint("retry", job_id))
            if name is not None and (earlier := await store.find(name)) is not None:
                return earlier
            ended = await self._jobs.recorded(request.model, job_id, request.principal)
            require_change(request.principal, ended)
            if not ended.state.is_final:
                raise JobNotEnded(job_id)
            before = await asyncio.to_thread(_call_of, runner.directory(job_id))
            await runner.require_space()
            async with self._place(store, request.model):
                job = request.new_job(ended.arguments)
                call = self._call(request, before.stream)
                accepted = await runner.submit_again(
                    job, job_id, call, keeps_checkpoints=False, key=name
                )
            self._note_accepted()
            return accepted

    @asynccontextmanager
    async def _place(self, store: JobStore, model: str) -> AsyncIterator[None]:
        """Keep a place in the queue while a prediction is accepted.

        Raises:
            QueueFull: There is none.
        """
        self._accepting[model] += 1
        try:
            counts = await store.count_by_state(model, kind=PREDICT)
            waiting = counts[JobState.QUEUED]
            if waiting + self._accepting[model] > self._max_jobs:
                raise QueueFull(
                    f"{waiting} predictions are queued already, as many as are allowed; try again"
                    " later."
                )
            yield
        finally:
            self._accepting[model] -= 1

    def _call(self, request: JobRequest, stream: str, given: CallInput | None = None) -> JobCall:
        return JobCall(
            self._pools[request.model].source,
            given or CallInput(),
            warm=False,
            request_id=request.request_id,
            principal=request.principal.name,
            stream=stream,
        )

    def _note_accepted(self) -> None:
        self._jobs.note_accepted()
        if self._runner is not None:
            self._runner.wake()

    def on_end(self, job: Job) -> None:
        """Hear that this server recorded a job's end: wake those who wait for it."""
        self._waiters.on_end(job)

    async def wait(self, model: str, job_id: str, limit_s: float) -> bool:
        """Wait a while for a job's end; tell whether it came.

        False at once where the model takes no more calls: then the service ends.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + limit_s
        pool = self._pools[model]
        _, runner = self._jobs.kept(model)
        directory = runner.directory(job_id)
        with self._waiters.waiting(job_id) as ended:
            while not ended.is_set() and not await asyncio.to_thread(directory.is_decided):
                left = deadline - clock()
                if left <= 0 or pool.load.is_refusing:
                    return False
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_S)):
                        await ended.wait()
        return True

    async def result(self, model: str, job_id: str, principal: Principal) -> KeptResult:
        """Return what a prediction came to; the caller closes the descriptor of its body.

        Raises:
            Conflict: It has not ended, or it ended without an answer.
        """
        job = (await self._history.view(model, job_id, principal)).job
        if job.state not in (JobState.DONE, JobState.ERROR):
            what = f"ended as {job.state}" if job.state.is_final else f"is {job.state}"
            raise Conflict(f"The job {job_id!r} {what}: it has no result.")
        _, runner = self._jobs.kept(model)
        try:
            return await asyncio.to_thread(read_result, runner.directory(job_id), model)
        except FileNotFoundError as exc:
            why = job.message or "Its files are gone."
            raise Conflict(f"The job {job_id!r} has no result. {why}") from exc


def _call_of(directory: JobDirectory) -> JobCall:
    try:
        return JobCall.read(directory, with_body=False)
    except FileNotFoundError as exc:
        raise files_are_gone(directory.path.name) from exc
