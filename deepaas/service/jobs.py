# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Train, and follow what was trained."""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deepaas.auth import Principal
from deepaas.errors import (
    EndpointDisabled,
    JobNotFound,
    NotImplementedByModel,
    StorageUnavailable,
    Unavailable,
)
from deepaas.execution.base import ModelPool
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.jobs import JobRunner
from deepaas.model.arguments import display
from deepaas.model.encoding import encode_json
from deepaas.model.registry import ModelRegistry
from deepaas.records import Argument, CallInput, Job, JobState
from deepaas.service.incoming import Incoming
from deepaas.service.predictions import error_of
from deepaas.store.base import JobStore

TRAIN = "train"
_TAIL_BYTES = 8192
_LISTED = 1000
_STARTING = "The service is starting."


class JobService:
    """The jobs of the served models; without a usable state directory every method says so."""

    def __init__(
        self,
        registry: ModelRegistry,
        pools: Mapping[str, ModelPool],
        *,
        is_enabled: bool,
        store: JobStore | None = None,
        runner: JobRunner | None = None,
        problem: StorageUnavailable | None = None,
        is_starting: bool = False,
    ) -> None:
        self._registry = registry
        self._pools = pools
        self._is_enabled = is_enabled
        self._store = store
        self._runner = runner
        self._problem = problem
        #: Whether :meth:`open` or :meth:`refuse` is yet to come.
        self.is_starting = is_starting
        self._accepting: set[asyncio.Task[Job]] = set()

    def open(self, store: JobStore, runner: JobRunner) -> None:
        """Begin to take trainings; neither is closed here."""
        self._store = store
        self._runner = runner
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

    def _open(self, model: str) -> tuple[JobStore, JobRunner]:
        if not self._is_enabled:
            raise EndpointDisabled
        self._registry.get(model)
        if self._store is None or self._runner is None:
            if self.is_starting:
                raise Unavailable(_STARTING)
            raise self._problem or StorageUnavailable()
        return self._store, self._runner

    async def train(
        self, model: str, incoming: Incoming, *, principal: Principal, request_id: str
    ) -> Job:
        """Accept a training; it is durable when this returns. Releases ``incoming``.

        Raises:
            EndpointDisabled: Trainings are switched off.
            ModelNotFound: No such model.
            NotImplementedByModel: It does not train.
            InvalidArguments, MalformedBody: The input is wrong.
            StorageFull, StorageUnavailable: The state directory cannot take it.
        """
        accepting = asyncio.create_task(self._accept(model, incoming, principal, request_id))
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)
        # Shielded: a client that goes away leaves an accepted job or none, not half of one.
        return await asyncio.shield(accepting)

    async def _accept(
        self, model: str, incoming: Incoming, principal: Principal, request_id: str
    ) -> Job:
        try:
            store, runner = self._open(model)
            description = self._registry.get(model).description
            if not description.can_train:
                raise NotImplementedByModel(model)
            await store.check()
            shown = await self._shown_arguments(model, incoming, request_id, principal.name)
            job = Job(
                id=uuid.uuid4().hex,
                kind=TRAIN,
                model=model,
                state=JobState.QUEUED,
                created=datetime.now(UTC),
                arguments=shown,
                owner=principal.name,
            )
            given = _without_credentials(incoming.given, description.train_arguments)
            call = JobCall(
                self._pools[model].source,
                given,
                warm=True,
                request_id=request_id,
                principal=principal.name,
            )
            job = await runner.submit(job, call, incoming.body_fd)
            self._problem = None
            return job
        except StorageUnavailable as exc:
            self._problem = exc
            raise
        finally:
            incoming.release()

    async def _shown_arguments(
        self, model: str, incoming: Incoming, request_id: str, principal: str | None
    ) -> str:
        """Check the arguments and return them as they are shown, as JSON text."""
        parser = self._registry.get(model).train_parser
        if parser is not None and incoming.is_small:
            shown = display(parser.arguments, parser.parse(incoming.given))
            return encode_json(shown).decode()
        answer, fd, *_ = await self._pools[model].call(
            "check-train",
            request_id=request_id,
            given=incoming.given,
            body_fd=incoming.body_fd,
            principal=principal,
        )
        if answer.failure is not None:
            raise error_of(answer.failure, model)
        # A large answer comes as a descriptor.
        body = answer.body if fd is None else await asyncio.to_thread(_read_all, fd)
        return (body or b"{}").decode()

    async def list(self, model: str) -> list[Job]:
        """Return the newest trainings of a model that were not deleted, newest first."""
        store, _ = self._open(model)
        return await store.list(model, kind=TRAIN, limit=_LISTED)

    async def get(self, model: str, job_id: str) -> Job:
        """Return a training.

        Raises:
            JobNotFound: There is none, or it was deleted.
        """
        store, _ = self._open(model)
        job = await store.get(job_id)
        if job.model != model or job.kind != TRAIN or job.hidden_at is not None:
            raise JobNotFound(job_id)
        return job

    async def delete(self, model: str, job_id: str) -> Job:
        """Cancel a training if it has not ended, and take it out of the list.

        Returns:
            The training as it ended: cancelled, or as it had ended before.
        """
        store, runner = self._open(model)
        await self.get(model, job_id)
        job = await runner.cancel(job_id)
        await store.hide(job_id, datetime.now(UTC))
        return job

    async def progress(self, job: Job) -> Mapping[str, Any] | None:
        """Return the last progress that a training reported, ``None`` if it reported none."""
        if self._runner is None or job.started is None:
            return None
        return await asyncio.to_thread(_last_event, self._runner.directory(job.id))


def _without_credentials(given: CallInput, arguments: Sequence[Argument]) -> CallInput:
    """Leave out the headers and cookies that no argument declares: a job keeps its input."""
    headers = {item.wire_name.lower() for item in arguments if item.location == "headers"}
    cookies = {item.wire_name for item in arguments if item.location == "cookies"}
    return replace(
        given,
        headers=tuple(pair for pair in given.headers if pair[0].lower() in headers),
        cookies=tuple(pair for pair in given.cookies if pair[0] in cookies),
    )


def _read_all(fd: int) -> bytes:
    """Read a descriptor from its start, and close it."""
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()


def _last_event(directory: JobDirectory) -> Mapping[str, Any] | None:
    try:
        with directory.events.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    # The last piece is empty, or half a line that is being written.
    try:
        event: Mapping[str, Any] = json.loads(lines[-2])
    except (IndexError, ValueError):
        return None  # nothing yet; or longer than what was read, or half written on a full disk
    return event
