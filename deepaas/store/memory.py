# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The job store in memory: a real implementation for tests and for services that keep nothing."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from deepaas.errors import IllegalTransition, JobNotFound, KeyReused, StorageUnavailable
from deepaas.records import IdempotencyKey, Job, JobEnd, JobPlace, JobState
from deepaas.store.base import (
    LONGEST_DELAY,
    Jobs,
    require_ended,
    require_final,
    require_new,
    storable,
)


class InMemoryJobStore:
    """A :class:`~deepaas.store.base.JobStore` that forgets everything with its process.

    Several servers can share one in tests of races: no method gives up the event loop halfway.
    """

    def __init__(self) -> None:
        """Make an empty store."""
        self._jobs: dict[str, Job] = {}
        #: Owner, model, kind and key, to the fingerprint and the job's id.
        self._keys: dict[tuple[str | None, str, str, str], tuple[str, str]] = {}
        self._is_closed = False

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Keep a new job, or return the one that its key was kept with."""
        require_new(job)
        earlier = None if key is None else await self.find(key)
        if earlier is not None:
            return earlier
        require_new(job, known=self._known().get(job.id))
        if job.id not in self._jobs:
            self._keep(job)
        if key is not None:
            self._keys[_name(key)] = (key.fingerprint, job.id)
        return self._jobs[job.id]

    async def find(self, key: IdempotencyKey) -> Job | None:
        """Return the job that was added with a key."""
        self._known()
        if _name(key) not in self._keys:
            return None
        fingerprint, job_id = self._keys[_name(key)]
        if fingerprint != key.fingerprint:
            raise KeyReused(key.key)
        return self._jobs[job_id]

    async def get(self, job_id: str) -> Job:
        """Return the job as it is now."""
        if job_id not in self._known():
            raise JobNotFound(job_id)
        return self._jobs[job_id]

    async def list(
        self,
        model: str | None = None,
        *,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        owner: str | None = None,
        include_hidden: bool = False,
        oldest_first: bool = False,
        after: JobPlace | None = None,
        limit: int = 1000,
        with_results: bool = True,
    ) -> Jobs:
        """Return the first jobs in order."""
        in_order = self._sorted() if oldest_first else self._sorted()[::-1]
        found = [
            job
            for job in in_order
            if (model is None or job.model == model)
            and (kind is None or job.kind == kind)
            and (states is None or job.state in states)
            and (owner is None or job.owner == owner)
            and (include_hidden or job.hidden_at is None)
            and (after is None or (_place(job) != after and (_place(job) > after) == oldest_first))
        ]
        shown = found[: max(limit, 0)]
        return shown if with_results else [job.evolve(result=None) for job in shown]

    async def next_queued(
        self, models: Sequence[str], slots: int, *, kinds: Sequence[str], now: datetime
    ) -> Job | None:
        """Return the oldest queued job that the caller may start."""
        if not self._has_slot(models, kinds, slots):
            return None
        queued = self._sorted(JobState.QUEUED)
        return next((job for job in queued if _may_start(job, models, kinds, now)), None)

    async def claim(
        self,
        job_id: str,
        *,
        server: str,
        models: Sequence[str],
        kinds: Sequence[str],
        slots: int,
        now: datetime,
    ) -> Job | None:
        """Make a queued job running if a slot is free."""
        job = await self.get(job_id)
        if job.state is not JobState.QUEUED or not _may_start(job, models, kinds, now):
            return None
        if not self._has_slot(models, kinds, slots):
            return None
        return self._move(job, JobState.RUNNING, started=now, server=server)

    async def unclaim(
        self,
        job_id: str,
        *,
        server: str,
        not_before: datetime | None = None,
        message: str | None = None,
    ) -> Job | None:
        """Put a running job back into the queue."""
        job = await self.get(job_id)
        if job.state is not JobState.RUNNING or job.server != server:
            return None
        changes = {"attempt": job.attempt + 1, "not_before": not_before, "message": message}
        return self._move(job, JobState.QUEUED, started=None, server=None, **changes)

    async def adopt(self, job_id: str, *, old_server: str | None, server: str) -> Job | None:
        """Become the follower of a running job."""
        job = await self.get(job_id)
        if job.state is not JobState.RUNNING or job.server != old_server:
            return None
        return self._keep(job.evolve(server=server))

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Record how a job ended, once."""
        require_final(end)
        job = await self.get(job_id)
        if job.state.is_final:
            return job
        how = {"finished": end.finished, "message": end.message, "result": end.result}
        return self._move(job, end.state, **how)

    async def hide(self, job_id: str, now: datetime) -> Job:
        """Take a job out of the contract's view."""
        job = await self.get(job_id)
        return self._keep(job.evolve(hidden_at=job.hidden_at or now))

    async def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        require_ended(await self.get(job_id))
        del self._jobs[job_id]
        self._keys = {name: kept for name, kept in self._keys.items() if kept[1] != job_id}

    async def running(self) -> Jobs:
        """Return every running job, oldest first."""
        return self._sorted(JobState.RUNNING)

    async def latest_evaluations(self, model: str) -> Jobs:
        """Return the evaluation of each version that was done last."""
        done = [job for job in self._evaluations(model) if job.state is JobState.DONE]
        latest = {job.version: job for job in sorted(done, key=lambda job: str(job.finished))}
        in_order = sorted(latest.values(), key=lambda job: job.version or 0)
        return [job.evolve(result=None) for job in in_order]

    async def is_evaluating(self, model: str, version: int) -> bool:
        """Tell whether an evaluation of a version is queued or running."""
        found = (job for job in self._evaluations(model) if job.version == version)
        return any(not job.state.is_final for job in found)

    def _evaluations(self, model: str) -> Jobs:
        return [job for job in self._sorted() if (job.kind, job.model) == ("evaluate", model)]

    async def count_by_state(
        self, model: str | None = None, *, kind: str | None = None
    ) -> dict[JobState, int]:
        """Return how many jobs are in each state."""
        states = [
            job.state
            for job in self._known().values()
            if model in (None, job.model) and kind in (None, job.kind)
        ]
        return {state: states.count(state) for state in JobState}

    async def check(self) -> None:
        """Raise if the store is closed."""
        self._known()

    async def close(self) -> None:
        """Refuse further calls."""
        self._is_closed = True

    def _known(self) -> dict[str, Job]:
        if self._is_closed:
            raise StorageUnavailable("The job store in memory is closed.")
        return self._jobs

    def _sorted(self, state: JobState | None = None) -> Jobs:
        found = (job for job in self._known().values() if state in (None, job.state))
        return sorted(found, key=_place)

    def _has_slot(self, models: Sequence[str], kinds: Sequence[str], slots: int) -> bool:
        running = self._sorted(JobState.RUNNING)
        return sum(job.model in models and job.kind in kinds for job in running) < slots

    def _move(self, job: Job, state: JobState, **changes: Any) -> Job:
        if not job.state.can_move_to(state):
            raise IllegalTransition(f"Job {job.id!r} cannot move from {job.state} to {state}.")
        return self._keep(job.evolve(state=state, **changes))

    def _keep(self, job: Job) -> Job:
        values = {field.name: storable(getattr(job, field.name)) for field in fields(Job)}
        self._jobs[job.id] = Job(**values)
        return self._jobs[job.id]


def _may_start(job: Job, models: Sequence[str], kinds: Sequence[str], now: datetime) -> bool:
    if job.model not in models or job.kind not in kinds:
        return False
    return job.not_before is None or not now < job.not_before <= now + LONGEST_DELAY


def _place(job: Job) -> JobPlace:
    return JobPlace(job.created, job.id)


def _name(key: IdempotencyKey) -> tuple[str | None, str, str, str]:
    return (key.owner, key.model, key.kind, key.key)
