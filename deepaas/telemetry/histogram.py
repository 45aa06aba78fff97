# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Counts of values by size, cheap enough for every call. Standard library only."""

from bisect import bisect_left
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Final, NamedTuple, Self

#: Upper bounds in seconds for what a client waits for, from a call that does nothing to one that
#: computes for minutes.
LATENCY_BOUNDS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
#: For what runs for long: trainings.
DURATION_BOUNDS_S: Final = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)


class Buckets(NamedTuple):
    """What a histogram has counted until a moment."""

    #: Inclusive upper bounds, increasing.
    bounds: tuple[float, ...]
    #: One for each bound, and a last one for what is larger.
    counts: tuple[int, ...]
    #: The sum of all values.
    total: float

    @property
    def number(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def plus(self, other: "Buckets") -> "Buckets":
        """Return both together; they must have the same bounds."""
        assert self.bounds == other.bounds
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        return Buckets(self.bounds, counts, self.total + other.total)

    def since(self, before: "Buckets") -> "Buckets":
        """Return what was counted after an earlier moment."""
        counts = tuple(new - old for new, old in zip(self.counts, before.counts, strict=True))
        return Buckets(self.bounds, counts, self.total - before.total)

    @classmethod
    def empty(cls, bounds: Iterable[float]) -> Self:
        """Return those of a histogram that has counted nothing."""
        kept = tuple(bounds)
        return cls(kept, (0,) * (len(kept) + 1), 0.0)


class Histogram:
    """Counts values by the first bound that they do not exceed.

    Args:
        bounds: Inclusive upper bounds, increasing.
        counts: Where to count: one place more than there are bounds. Memory that is shared
            between processes may have one writer only.
        total: One place for the sum.
    """

    __slots__ = ("_counts", "_total", "bounds")

    def __init__(
        self,
        bounds: Sequence[float],
        counts: "MutableSequence[int] | memoryview[int] | None" = None,
        total: "MutableSequence[float] | memoryview[float] | None" = None,
    ) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1) if counts is None else counts
        self._total = [0.0] if total is None else total

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._total[0] += value

    def read(self) -> Buckets:
        """Return what was counted until now."""
        return Buckets(self.bounds, tuple(self._counts), self._total[0])
