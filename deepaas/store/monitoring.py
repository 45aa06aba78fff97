# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What was seen of models over time, and what a store of it promises."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Protocol, TypeAlias


class Step(Enum):
    """How finely time is cut, and how long what was seen is kept so."""

    MINUTE = (timedelta(minutes=1), timedelta(days=7))
    HOUR = (timedelta(hours=1), timedelta(days=366))

    @property
    def seconds(self) -> int:
        """The length of a piece."""
        return int(self.value[0].total_seconds())

    @property
    def kept(self) -> timedelta:
        """How long a piece is kept."""
        return self.value[1]

    def floor(self, time: datetime) -> datetime:
        """Return the beginning of the piece in which a time lies."""
        seconds = int(time.timestamp()) // self.seconds * self.seconds
        return datetime.fromtimestamp(seconds, UTC)


#: A piece that begins later than this from now was seen by a clock that was put back since.
AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one model at a moment, or in a piece of time."""

    model: str
    #: The moment, or the beginning of the piece; aware, UTC.
    time: datetime
    #: How often it was looked at, and how often it could be called then.
    samples: int = 1
    ready: int = 0
    #: Class of status to the number of requests about the model.
    requests: Mapping[str, int] = field(default_factory=dict)
    #: Upper bound in seconds to the number of predictions that took no longer, and longer than the
    #: bound before; ``inf`` for the rest. Bounds may differ from piece to piece.
    latencies: Mapping[float, int] = field(default_factory=dict)
    latency_sum_s: float = 0.0
    #: State to the number of jobs, when it was last looked at.
    jobs: Mapping[str, int] = field(default_factory=dict)

    def at(self, time: datetime) -> "Seen":
        """Return the same, of another time."""
        return replace(self, time=time)

    def plus(self, later: "Seen") -> "Seen":
        """Return both together, as one piece that begins where this one does."""
        return replace(
            self,
            samples=self.samples + later.samples,
            ready=self.ready + later.ready,
            requests=Counter(self.requests) + Counter(later.requests),
            latencies=Counter(self.latencies) + Counter(later.latencies),
            latency_sum_s=self.latency_sum_s + later.latency_sum_s,
            jobs=later.jobs or self.jobs,
        )


#: Ordered by time.
Series: TypeAlias = list[Seen]


class MonitoringStore(Protocol):
    """Keeps what was seen, as long as :class:`Step` says; several servers may share one.

    What is added goes into the minute and the hour of its time, whoever adds it, so that the store
    holds for each model no more pieces than fit into the time that they are kept.

    **Durability, atomicity, errors** are those of :class:`~deepaas.store.base.JobStore`.
    """

    async def add(self, seen: Sequence[Seen], *, now: datetime) -> None:
        """Add what was seen, and forget what is too old of the same models.

        Args:
            seen: Moments; each is put with what is there of its minute and its hour.
            now: What is kept counts from here.
        """
        ...

    async def read(
        self, model: str, step: Step, *, since: datetime, until: datetime, limit: int
    ) -> Series:
        """Return the pieces that begin in a span, in order.

        Args:
            model: A name; of one that was never seen there are none.
            step: How finely.
            since: The first moment of the span.
            until: The first moment behind it.
            limit: At most so many, the newest.
        """
        ...
