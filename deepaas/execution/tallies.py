# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a worker counts of its calls, in the memory that it shares with the server.

The server looks whenever somebody asks, so that no message says it, and nothing of it is lost with
a worker that dies.
"""

from typing import Final, NamedTuple

from deepaas.telemetry.histogram import LATENCY_BOUNDS_S, Buckets, Histogram

BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
#: How many words of eight bytes it all takes.
TALLY_WORDS: Final = 2 * (len(LATENCY_BOUNDS_S) + 2) + len(BATCH_BOUNDS) + 2


class Tallied(NamedTuple):
    """What was counted until a moment."""

    #: Seconds from when the server accepted a call to when a worker began it.
    waited: Buckets = Buckets.empty(LATENCY_BOUNDS_S)
    #: Seconds from there to its answer, of a stream to its end.
    ran: Buckets = Buckets.empty(LATENCY_BOUNDS_S)
    #: Calls in each batch, of models that have any.
    batches: Buckets = Buckets.empty(BATCH_BOUNDS)

    def plus(self, other: "Tallied") -> "Tallied":
        """Return both together."""
        return Tallied(*(one.plus(two) for one, two in zip(self, other, strict=True)))


NOTHING: Final = Tallied()


class Tallies:
    """One side of it: the worker adds, the server reads.

    Args:
        words: :data:`TALLY_WORDS` of the shared memory, as whole numbers.
        floats: The same, as floating point numbers.
    """

    def __init__(self, words: "memoryview[int]", floats: "memoryview[float]") -> None:
        self._views = (words, floats)
        self._parts: list[memoryview[int] | memoryview[float]] = []
        self._at = 0
        self.waited = self._histogram(LATENCY_BOUNDS_S)
        self.ran = self._histogram(LATENCY_BOUNDS_S)
        self.batches = self._histogram(BATCH_BOUNDS)

    def _histogram(self, bounds: tuple[float, ...]) -> Histogram:
        words, floats = self._views
        end = self._at + len(bounds) + 1
        counts, total = words[self._at : end], floats[end : end + 1]
        self._parts += (counts, total)
        self._at = end + 1
        return Histogram(bounds, counts, total)

    def read(self) -> Tallied:
        """Return what was counted until now."""
        return Tallied(self.waited.read(), self.ran.read(), self.batches.read())

    def close(self) -> None:
        """Let go of the memory; may be called twice."""
        for part in (*self._parts, *self._views):
            part.release()
