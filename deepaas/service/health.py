# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whether the service lives, and whether it can answer."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deepaas.errors import DeepaasError, ModelNotFound
from deepaas.execution.base import ModelPool
from deepaas.execution.messages import Failure
from deepaas.model.registry import ModelRegistry
from deepaas.service.jobs import JobService

logger = logging.getLogger(__name__)

#: A model is asked for its health at most this often, and has this long to answer.
_ASK_AGAIN_S = 1.0
_ANSWERS_S = 2.0


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """Whether one model can answer now."""

    name: str
    workers: int
    #: Why it cannot, ``None`` if it can.
    reason: str | None
    #: Number of the version that it serves.
    version: int = 0
    #: Why that is not the version that was chosen, ``None`` if it is.
    version_problem: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it can."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether calls should be sent here."""

    models: tuple[ModelHealth, ...]
    #: Why trainings are refused, ``None`` if they are not; predictions do not depend on it.
    trainings: str | None

    @property
    def is_ready(self) -> bool:
        """Whether every model can answer."""
        return all(model.is_ready for model in self.models)


class HealthService:
    """Looks at what is; a model that has ``health()`` is asked, while none of its calls runs."""

    def __init__(
        self,
        registry: ModelRegistry,
        pools: Mapping[str, ModelPool],
        jobs: JobService,
        version_problems: Mapping[str, str] | None = None,
    ) -> None:
        """Look at what is given.

        Args:
            registry: The models.
            pools: What runs them, by name.
            jobs: The trainings.
            version_problems: Why a model does not serve what was chosen.
        """
        self._registry = registry
        self._pools = pools
        self._jobs = jobs
        self._version_problems = {} if version_problems is None else version_problems
        #: Model to what it said last, ``None`` for nothing wrong, and when it may be asked again.
        self._said: dict[str, tuple[str | None, float]] = {}

    async def readiness(self) -> Readiness:
        """Return the state of every model, the failed ones included."""
        names = [*self._pools, *self._registry.failures]
        models = await asyncio.gather(*(self.of_model(name) for name in names))
        return Readiness(tuple(models), self._jobs.problem)

    async def of_model(self, name: str) -> ModelHealth:
        """Return the state of one model.

        Raises:
            ModelNotFound: None of that name was to be served.
        """
        failed = self._registry.failures.get(name)
        if failed is not None:
            return ModelHealth(name, 0, failed)
        pool = self._pools.get(name)
        if pool is None:
            raise ModelNotFound(name)
        starting = self._jobs.problem if self._jobs.is_starting else None
        reason = pool.reason or starting or await self._asked(name, pool)
        problem = self._version_problems.get(name)
        return ModelHealth(name, pool.ready_workers, reason, pool.version.number, problem)

    def known_reason(self, name: str) -> str | None:
        """Return why a model cannot answer, as far as that is known without asking it."""
        starting = self._jobs.problem if self._jobs.is_starting else None
        return self._pools[name].reason or starting or self._said.get(name, (None,))[0]

    @property
    def failures(self) -> Mapping[str, str]:
        """The models that cannot be loaded, and why."""
        return self._registry.failures

    async def _asked(self, name: str, pool: ModelPool) -> str | None:
        """Return what the model says is wrong with it."""
        if not self._registry.get(name).description.has_health:
            return None
        said, again_s = self._said.get(name, (None, 0.0))
        # A busy model would answer late, and shows that it works.
        if pool.is_busy or time.monotonic() < again_s:
            return said
        try:
            async with asyncio.timeout(_ANSWERS_S):
                result = await pool.call("health", request_id="")
        except TimeoutError:
            said = f"health() has not answered within {_ANSWERS_S:g} s."
        except DeepaasError as exc:
            said = exc.public_message
        else:
            failure = result.answer.failure
            said = _complaint(result.answer.body) if failure is None else _failed(failure)
        if said is not None and said != self._said.get(name, (None,))[0]:
            # The answer to a probe may have to leave it out.
            logger.warning(
                "Model %s is not well: %s", name, said, extra={"action": "unhealthy", "model": name}
            )
        self._said[name] = said, time.monotonic() + _ASK_AGAIN_S
        return said


def _complaint(body: bytes | None) -> str | None:
    answer = json.loads(body or b"{}")
    if answer.get("ok", False):
        return None
    return f"health() says: {answer.get('detail') or 'not ok'}"


def _failed(failure: Failure) -> str:
    return f"health() failed: {failure.type_name}: {failure.text}"
