# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The jobs whose ends this server has seen lately, by a clock that nobody sets."""

import time
from collections.abc import Callable
from datetime import timedelta


class RecentEnds:
    """Remembers ends for a while; the time of day may be corrected meanwhile."""

    def __init__(self, lasts: timedelta, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet.

        Args:
            lasts: How long an end is recent.
            clock: Seconds that only ever pass.
        """
        self._lasts_s = lasts.total_seconds()
        self._clock = clock
        #: When each job ended, by the clock; the oldest first.
        self._ends: dict[str, float] = {}

    def add(self, job_id: str) -> None:
        """A job ends now."""
        self._forget_old()
        self._ends.setdefault(job_id, self._clock())

    def __contains__(self, job_id: str) -> bool:
        self._forget_old()
        return job_id in self._ends

    def _forget_old(self) -> None:
        since = self._clock() - self._lasts_s
        while self._ends:
            oldest = next(iter(self._ends))
            if self._ends[oldest] > since:
                return
            del self._ends[oldest]
