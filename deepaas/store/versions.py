# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The versions of models as they are kept, and what a store of them promises."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from deepaas.errors import Conflict


class VersionState(StrEnum):
    """Where a version of a model stands."""

    #: Its first worker is being warmed; what was served before is served on.
    CANDIDATE = "candidate"
    #: Workers that start now serve it.
    SERVED = "served"
    #: It was served once, and can be again.
    PREVIOUS = "previous"
    #: It could not be served, and never was.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model as the store keeps it: a job's artifacts, or the package as installed.

    A job has at most one version, which keeps its number when it is promoted again.
    """

    model: str
    #: 0: the package as installed; the others count from 1.
    number: int
    state: VersionState
    #: Whose artifacts it is, ``None`` for number 0.
    job: str | None = None
    #: When it was first asked for, and the name of the principal, ``None`` for anonymous.
    promoted: datetime | None = None
    promoted_by: str | None = None
    #: Why it could not be served when it was last asked for, ``None`` if it could.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class VersionChoice:
    """Which version of a model is to be served."""

    model: str
    number: int = 0
    #: Whose artifacts it is, ``None`` for number 0.
    job: str | None = None
    #: The one that was served before.
    previous: int = 0
    #: Counts the changes; 0: nothing was ever chosen.
    serial: int = 0


@dataclass(frozen=True, slots=True)
class VersionCandidate:
    """A version that a server is about to serve."""

    model: str
    number: int
    server: str


#: In a class that has a method ``list``, the builtin's name is taken.
Versions: TypeAlias = list[ModelVersion]
Candidates: TypeAlias = list[VersionCandidate]


class VersionStore(Protocol):
    """Keeps the versions of models, and which of them is served; several servers may share one.

    A version becomes the served one in two steps. First it is a *candidate* of the server that
    tries it, one at most for each model on all servers together; then :meth:`serve` chooses it, or
    :meth:`drop` leaves everything as it was. Version 0, the package as installed, is always there,
    and is served where nothing was ever chosen.

    **Durability, atomicity, errors** are those of :class:`~deepaas.store.base.JobStore`: what a
    method changed survives, nobody sees half of it, and
    :class:`~deepaas.errors.StorageUnavailable` says that nothing was changed or, where the
    connection was lost during the answer, all of it.
    """

    async def promote(
        self, model: str, job: str, *, server: str, by: str | None, now: datetime
    ) -> ModelVersion:
        """Make a job's version a candidate, a new one unless the job has one.

        Args:
            model: The job's model.
            job: A job with artifacts; not looked up here.
            server: Who tries it.
            by: Name of the principal who asks, ``None`` for anonymous.
            now: Becomes ``promoted`` of a new version.

        Returns:
            The candidate; or the version as it is, no candidate, if it is served already.

        Raises:
            Conflict: The model has a candidate already.
        """
        ...

    async def restore(self, model: str, number: int | None, *, server: str) -> ModelVersion:
        """Make a version that is there a candidate.

        Args:
            model: Its model.
            number: The version's number; ``None``: the one that was served before.
            server: Who tries it.

        Returns:
            The candidate; or the version as it is, no candidate, if it is served already.

        Raises:
            Conflict: The model has a candidate already; or no version was served before.
            VersionNotFound: There is none of that number.
        """
        ...

    async def serve(self, model: str, *, server: str, now: datetime) -> VersionChoice:
        """Choose a server's candidate, in one step.

        Returns:
            The choice that is valid from now on.

        Raises:
            Conflict: The server has no candidate of the model.
        """
        ...

    async def drop(self, model: str, number: int, *, server: str, reason: str) -> None:
        """Note why a server's candidate is not served, and leave the choice as it is.

        Nothing happens where the model's candidate has another number, or is another server's.
        """
        ...

    async def list(self, model: str) -> Versions:
        """Return the versions of a model, newest first; version 0 is the last."""
        ...

    async def get(self, model: str, number: int) -> ModelVersion:
        """Return a version.

        Raises:
            VersionNotFound: There is none of that number.
        """
        ...

    async def choice(self, model: str) -> VersionChoice:
        """Return which version of a model is to be served."""
        ...

    async def choices(self) -> dict[str, VersionChoice]:
        """Return what is to be served of every model for which something was ever chosen."""
        ...

    async def candidates(self) -> Candidates:
        """Return the candidates of all models and servers."""
        ...

    async def is_promoted(self, job: str) -> bool:
        """Tell whether a job's artifacts were ever served, or are a candidate."""
        ...


def state_of(
    number: int, *, choice: VersionChoice, candidate: VersionCandidate | None, was_served: bool
) -> VersionState:
    """Return where a version stands; the choice is the only word on what is served."""
    if candidate is not None and candidate.number == number:
        return VersionState.CANDIDATE
    if choice.number == number:
        return VersionState.SERVED
    return VersionState.PREVIOUS if was_served else VersionState.FAILED


def previous_of(choice: VersionChoice) -> int:
    """Return the number of the version that was served before.

    Raises:
        Conflict: None was.
    """
    if not choice.serial:
        raise Conflict(f"No other version of the model {choice.model!r} was ever served.")
    return choice.previous


def busy(candidate: VersionCandidate) -> Conflict:
    """Return the error that a model has a candidate already."""
    return Conflict(
        f"Version {candidate.number} of the model {candidate.model!r} is being promoted;"
        " try again when that has ended."
    )
