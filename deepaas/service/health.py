# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whether the service lives, and whether it can answer."""

from collections.abc import Mapping
from dataclasses import dataclass

from deepaas.execution.pool import Pool
from deepaas.model.registry import ModelRegistry
from deepaas.service.jobs import JobService


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """Whether one model can answer now."""

    name: str
    workers: int
    #: Why it cannot, ``None`` if it can.
    reason: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether calls should be sent here."""

    models: tuple[ModelHealth, ...]
    #: Why trainings are refused, ``None`` if they are not; predictions do not depend on it.
    trainings: str | None

    @property
    def is_ready(self) -> bool:
        """Whether every model can answer."""
        return all(model.reason is None for model in self.models)


class HealthService:
    """Looks at what is, without asking a worker anything."""

    def __init__(
        self, registry: ModelRegistry, pools: Mapping[str, Pool], jobs: JobService
    ) -> None:
        self._registry = registry
        self._pools = pools
        self._jobs = jobs

    def readiness(self) -> Readiness:
        """Return the state of every model, the failed ones included."""
        starting = self._jobs.problem if self._jobs.is_starting else None
        models = [
            ModelHealth(name, pool.ready_workers, pool.reason or starting)
            for name, pool in self._pools.items()
        ]
        models += [ModelHealth(name, 0, why) for name, why in self._registry.failures.items()]
        return Readiness(tuple(models), self._jobs.problem)
