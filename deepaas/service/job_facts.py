# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How many jobs there are, how far those are that run, and how long others took."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from deepaas.errors import DeepaasError
from deepaas.execution.jobs import JobRunner
from deepaas.execution.journal import last_progress
from deepaas.records import PROCESS_KINDS, Job, JobState
from deepaas.service.jobs import JobService
from deepaas.store.base import Jobs, JobStore
from deepaas.telemetry.histogram import DURATION_BOUNDS_S, Buckets, Histogram

#: What was found out is good for so long: several may watch, and each asks for all.
_FRESH_S: Final = 1.0
_KINDS: Final = (*PROCESS_KINDS, "predict")


class JobGroup(NamedTuple):
    """What jobs have in common that are counted together."""

    model: str
    kind: str
    state: JobState


class Progress(NamedTuple):
    """How far a running job is."""

    model: str
    kind: str
    job: str
    #: From 0 to 1.
    fraction: float


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The jobs of the served models at one moment."""

    counts: Mapping[JobGroup, int] = field(default_factory=dict)
    progress: tuple[Progress, ...] = ()


class JobObserver:
    """Looks at the jobs, and counts those that end."""

    def __init__(self, jobs: JobService, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._clock = clock
        self._durations: dict[JobGroup, Histogram] = {}
        self._found = JobFacts()
        self._found_s = float("-inf")
        self._looking = asyncio.Lock()

    def on_end(self, job: Job) -> None:
        """Count how long a job ran that this server has followed to its end."""
        if job.started is None or job.finished is None:
            return
        group = JobGroup(job.model, job.kind, job.state)
        histogram = self._durations.setdefault(group, Histogram(DURATION_BOUNDS_S))
        # The time of day may have been put back meanwhile.
        histogram.add(max(0.0, (job.finished - job.started).total_seconds()))

    @property
    def durations(self) -> Mapping[JobGroup, Buckets]:
        """How long jobs ran that have ended, in seconds."""
        return {group: histogram.read() for group, histogram in self._durations.items()}

    async def facts(self, models: Collection[str]) -> JobFacts:
        """Return what is known of the jobs of these models, a second old at most.

        Without a state directory that can be used, nothing is.
        """
        async with self._looking:
            if self._clock() - self._found_s >= _FRESH_S:
                try:
                    self._found = await self._look(models)
                except DeepaasError:
                    self._found = JobFacts()  # it is told where jobs are asked for
                self._found_s = self._clock()
            return self._found

    async def _look(self, models: Collection[str]) -> JobFacts:
        counts: dict[JobGroup, int] = {}
        running: Jobs = []
        runner: JobRunner | None = None
        store: JobStore | None = None
        for model in models:
            store, runner = self._jobs.kept(model)
            for kind in _KINDS:
                found = await store.count_by_state(model, kind=kind)
                counts.update({JobGroup(model, kind, state): found[state] for state in found})
        if store is not None and runner is not None:
            running = [job for job in await store.running() if job.model in models]
            return JobFacts(counts, await asyncio.to_thread(_progress, running, runner))
        return JobFacts(counts)


def _progress(jobs: Jobs, runner: JobRunner) -> tuple[Progress, ...]:
    """Read what jobs have reported last; blocks."""
    found = []
    for job in jobs:
        report = last_progress(runner.directory(job.id).events, job.attempt) or {}
        done, total = report.get("done"), report.get("total")
        if isinstance(done, int | float) and isinstance(total, int | float) and total > 0:
            fraction = min(max(done / total, 0.0), 1.0)
            found.append(Progress(job.model, job.kind, job.id, fraction))
    return tuple(found)
