# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of versions in memory: a real implementation for tests."""

from dataclasses import dataclass, replace
from datetime import datetime

from deepaas.errors import Conflict, VersionNotFound
from deepaas.store.base import storable
from deepaas.store.versions import (
    Candidates,
    ModelVersion,
    VersionCandidate,
    VersionChoice,
    Versions,
    VersionState,
    busy,
    previous_of,
    state_of,
)


@dataclass(slots=True)
class _Kept:
    """What does not follow from the choices and the candidates."""

    model: str
    number: int
    job: str
    promoted: datetime
    promoted_by: str | None
    was_served: bool = False
    reason: str | None = None


class InMemoryVersionStore:
    """A :class:`~deepaas.store.versions.VersionStore` that forgets everything with its process.

    Several servers can share one in tests of races: no method gives up the event loop halfway.
    """

    def __init__(self) -> None:
        self._versions: list[_Kept] = []
        self._choices: dict[str, VersionChoice] = {}
        self._candidates: dict[str, VersionCandidate] = {}

    async def promote(
        self, model: str, job: str, *, server: str, by: str | None, now: datetime
    ) -> ModelVersion:
        """Make a job's version a candidate."""
        self._require_free(model)
        kept = next((kept for kept in self._versions if kept.job == job), None)
        if kept is None:
            number = 1 + sum(kept.model == model for kept in self._versions)
            kept = _Kept(model, number, job, storable(now), storable(by))
            self._versions.append(kept)
        return self._propose(model, kept.number, server)

    async def restore(self, model: str, number: int | None, *, server: str) -> ModelVersion:
        """Make a version that is there a candidate."""
        wanted = previous_of(await self.choice(model)) if number is None else number
        self._require_free(model)
        return self._propose(model, wanted, server)

    def _require_free(self, model: str) -> None:
        if model in self._candidates:
            raise busy(self._candidates[model])

    def _propose(self, model: str, number: int, server: str) -> ModelVersion:
        version = self._get(model, number)
        if version.state is VersionState.SERVED:
            return version
        self._candidates[model] = VersionCandidate(model, number, server)
        return self._get(model, number)

    async def serve(self, model: str, *, server: str, now: datetime) -> VersionChoice:
        """Choose a server's candidate."""
        candidate = self._candidate(model, server)
        if candidate is None:
            raise Conflict(f"The model {model!r} has no candidate of this server.")
        del self._candidates[model]
        before = await self.choice(model)
        kept = self._kept(model, candidate.number)
        if kept is not None:
            kept.was_served, kept.reason = True, None
        self._choices[model] = VersionChoice(
            model,
            candidate.number,
            None if kept is None else kept.job,
            before.number,
            before.serial + 1,
        )
        return self._choices[model]

    async def drop(self, model: str, number: int, *, server: str, reason: str) -> None:
        """Note why a candidate is not served."""
        candidate = self._candidate(model, server)
        if candidate is None or candidate.number != number:
            return
        del self._candidates[model]
        kept = self._kept(model, number)
        if kept is not None:
            kept.reason = storable(reason)

    async def list(self, model: str) -> Versions:
        """Return the versions of a model, newest first."""
        numbers = [kept.number for kept in self._versions if kept.model == model]
        return [self._get(model, number) for number in [*reversed(numbers), 0]]

    async def get(self, model: str, number: int) -> ModelVersion:
        """Return a version."""
        return self._get(model, number)

    async def choice(self, model: str) -> VersionChoice:
        """Return which version of a model is to be served."""
        return self._choices.get(model, VersionChoice(model))

    async def choices(self) -> dict[str, VersionChoice]:
        """Return every choice."""
        return dict(self._choices)

    async def candidates(self) -> Candidates:
        """Return every candidate."""
        return list(self._candidates.values())

    async def is_promoted(self, job: str) -> bool:
        """Tell whether a job's artifacts were ever served, or are a candidate."""
        return any(
            kept.was_served or self._get(kept.model, kept.number).state is VersionState.CANDIDATE
            for kept in self._versions
            if kept.job == job
        )

    def _candidate(self, model: str, server: str) -> VersionCandidate | None:
        candidate = self._candidates.get(model)
        return candidate if candidate is not None and candidate.server == server else None

    def _kept(self, model: str, number: int) -> _Kept | None:
        return next(
            (kept for kept in self._versions if (kept.model, kept.number) == (model, number)), None
        )

    def _get(self, model: str, number: int) -> ModelVersion:
        kept = self._kept(model, number)
        if kept is None and number != 0:
            raise VersionNotFound(model, number)
        state = state_of(
            number,
            choice=self._choices.get(model, VersionChoice(model)),
            candidate=self._candidates.get(model),
            was_served=kept is None or kept.was_served,
        )
        version = ModelVersion(model, number, state)
        if kept is None:
            return version
        return replace(
            version,
            job=kept.job,
            promoted=kept.promoted,
            promoted_by=kept.promoted_by,
            reason=kept.reason,
        )
