# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job, and where it stands."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: Kinds of jobs that have a process of their own and share the slots for them.
PROCESS_KINDS: Final = ("train", "evaluate")


class JobState(StrEnum):
    """Where a job stands. A final state never changes."""

    #: Accepted and durable, waiting for a free slot.
    QUEUED = "queued"
    #: Claimed by a server; its process starts, runs or ends.
    RUNNING = "running"
    #: The function returned.
    DONE = "done"
    #: The function raised, or its process died.
    ERROR = "error"
    #: A client asked for the end before it came.
    CANCELLED = "cancelled"
    #: The machine or the service ended it, no fault of the model.
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in FINAL_STATES

    def can_move_to(self, target: "JobState") -> bool:
        """Whether the move to ``target`` is allowed; RUNNING to QUEUED: for another attempt."""
        if self is JobState.QUEUED:
            return target is JobState.RUNNING or target.is_final
        return self is JobState.RUNNING and (target is JobState.QUEUED or target.is_final)


FINAL_STATES: Final = frozenset(
    {JobState.DONE, JobState.ERROR, JobState.CANCELLED, JobState.INTERRUPTED}
)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended; the content of ``end.json``."""

    state: JobState
    #: When it was decided, UTC.
    finished: datetime
    #: Why, for people; ``None`` for a success.
    message: str | None = None
    #: The function's result as JSON text, ``None`` unless done.
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A training or an evaluation (later also a queued prediction) as the store keeps it."""

    #: 32 hexadecimal digits; the contract's ``uuid``.
    id: str
    kind: str
    model: str
    state: JobState
    #: Aware, UTC, as every time here.
    created: datetime
    #: The arguments as shown to clients, as JSON text: secrets masked, files as triples.
    arguments: str = "{}"
    #: Name of the principal who made it, ``None`` for anonymous.
    owner: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    #: Why it ended, or why it is to be tried again; for people.
    message: str | None = None
    #: JSON text of the result, ``None`` unless done.
    result: str | None = None
    #: Counts the starts, from 1.
    attempt: int = 1
    #: Id of the server that follows it, ``None`` while queued.
    server: str | None = None
    #: When it left the contract's view (DELETE), ``None`` while it is shown there.
    hidden_at: datetime | None = None
    #: What the model's :class:`~deepaas.Training` said when the job was accepted.
    resumable: bool = False
    retries: int = 0
    #: Not to be started before this time, ``None``: at once.
    not_before: datetime | None = None
    #: Number of the version that an evaluation is of, ``None`` for other kinds.
    version: int | None = None

    def evolve(self, **changes: Any) -> "Job":
        """Return a copy with the named fields changed."""
        return replace(self, **changes)


class JobPlace(NamedTuple):
    """Where a job stands in the order of all jobs; it need not be there any more."""

    created: datetime
    id: str


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's own name for a request, by which it is known when it comes again."""

    #: Name of the principal, ``None`` for anonymous; keys of different ones never meet.
    owner: str | None
    model: str
    #: Of the job that the request asks for.
    kind: str
    #: As the client gave it.
    key: str
    #: Of all that the request asks for; equal for equal requests.
    fingerprint: str
