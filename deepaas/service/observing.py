# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the service does and has done, as one record for who watches it."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from deepaas.auth import Policy, Principal
from deepaas.execution.base import ModelPool
from deepaas.execution.processes import is_stopped, resident_bytes
from deepaas.execution.stats import PoolStats
from deepaas.service.health import HealthService
from deepaas.service.job_facts import JobFacts, JobGroup, JobObserver
from deepaas.service.ownership import sees_all
from deepaas.service.traffic import Asked, Traffic
from deepaas.telemetry.histogram import Buckets
from deepaas.telemetry.stalls import LoopWatch

#: In the place of a worker's state: it was ready, and its process is stopped (state T).
STOPPED: Final = "stopped"
_READY: Final = "ready"
_STARTED_S: Final = time.time()


class Processes(NamedTuple):
    """What the system says of a model's workers."""

    resident_bytes: int
    stopped: int


@dataclass(frozen=True, slots=True)
class ModelObservation:
    """One model."""

    name: str
    is_ready: bool
    version: int
    stats: PoolStats
    processes: Processes

    @property
    def workers(self) -> Mapping[str, int]:
        """How many workers are in each state, the stopped ones apart."""
        stopped = min(self.processes.stopped, self.stats.workers.get(_READY, 0))
        ready = self.stats.workers.get(_READY, 0) - stopped
        return {**self.stats.workers, _READY: ready, STOPPED: stopped}


class ServerProcess(NamedTuple):
    """The server's own process."""

    resident_bytes: int
    open_descriptors: int
    cpu_s: float
    #: Seconds since 1970.
    started_s: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The whole service at one moment; what is counted, is since the server's start."""

    models: tuple[ModelObservation, ...]
    #: Models that cannot be loaded.
    failed: tuple[str, ...]
    requests: Mapping[Asked, Buckets]
    in_flight: int
    jobs: JobFacts
    job_durations: Mapping[JobGroup, Buckets]
    #: How late the event loop was, in seconds, and how often it stood still for too long.
    loop_lag: Buckets
    loop_stalls: int
    server: ServerProcess

    def seen_by(self, principal: Principal) -> "Observation":
        """Return what somebody may see: of the models those that they may read.

        A job is named to who sees the jobs of others only: for an anonymous caller, to know the id
        of what another one has started is to have it.
        """

        def may(model: str) -> bool:
            return principal.may(Policy.READ, model)

        counts = {group: count for group, count in self.jobs.counts.items() if may(group.model)}
        progress = (each for each in self.jobs.progress if may(each.model))
        return replace(
            self,
            models=tuple(model for model in self.models if may(model.name)),
            failed=tuple(name for name in self.failed if may(name)),
            requests={
                asked: buckets
                for asked, buckets in self.requests.items()
                if not asked.model or may(asked.model)
            },
            jobs=JobFacts(
                counts, tuple(each for each in progress if sees_all(principal, each.model))
            ),
            job_durations={
                group: buckets for group, buckets in self.job_durations.items() if may(group.model)
            },
        )


class Observer:
    """Puts it together when somebody asks; what takes a while runs in threads."""

    def __init__(
        self,
        pools: Mapping[str, ModelPool],
        health: HealthService,
        traffic: Traffic,
        jobs: JobObserver,
        watch: LoopWatch,
    ) -> None:
        self._pools = pools
        self._health = health
        self._traffic = traffic
        self._jobs = jobs
        self._watch = watch

    async def observe(self) -> Observation:
        """Look at everything."""
        pools = dict(self._pools)
        stats = {name: pool.stats for name, pool in pools.items()}
        is_ready = {name: self._health.known_reason(name) is None for name in pools}
        processes, server = await asyncio.to_thread(_look, stats)
        jobs = await self._jobs.facts([*pools])
        return Observation(
            models=tuple(
                ModelObservation(
                    name,
                    is_ready[name],
                    pool.version.number,
                    stats[name],
                    processes[name],
                )
                for name, pool in pools.items()
            ),
            failed=tuple(self._health.failures),
            requests=dict(self._traffic),
            in_flight=self._traffic.in_flight,
            jobs=jobs,
            job_durations=self._jobs.durations,
            loop_lag=self._watch.lag,
            loop_stalls=self._watch.stalls,
            server=server,
        )


def _look(stats: Mapping[str, PoolStats]) -> tuple[dict[str, Processes], ServerProcess]:
    """Ask the system; blocks for some dozen microseconds a process."""
    found = {
        name: Processes(
            sum(resident_bytes(pid) for pid in each.pids),
            sum(is_stopped(pid) for pid in each.pids),
        )
        for name, each in stats.items()
    }
    # Without the one that the listing itself needs.
    descriptors = len(os.listdir("/proc/self/fd")) - 1
    server = ServerProcess(
        resident_bytes(os.getpid()), descriptors, time.process_time(), _STARTED_S
    )
    return found, server
