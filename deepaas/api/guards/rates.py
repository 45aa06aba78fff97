# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How much one caller may ask for: requests in a time, and requests at once."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from deepaas.api.guards.proxies import Address
from deepaas.config.guards import Rate
from deepaas.errors import TooManyRequests

#: Callers that are remembered: some 10 MB. Who has made no request for a period is forgotten first.
_MAX_CALLERS: Final = 65_536
#: What one client is given of IPv6 at least (RFC 6177).
_SITE_BITS: Final = 64
_REMEMBERED: Final = 1024
_CONCURRENT_RETRY_S: Final = 1
_UNCOUNTED: Final = nullcontext()
#: What sums of fractions are wrong by.
_ROUNDING_S: Final = 1e-6


class Budget:
    """Lets a caller make so many requests in a period, all at once if it likes.

    A caller is remembered by one number, the time at which it will have its whole budget again
    (the generic cell rate algorithm; it does what a bucket of tokens does).
    """

    def __init__(self, rate: Rate, now: Callable[[], float], max_callers: int) -> None:
        self._period_s = rate.period_s
        self._request_s = rate.period_s / rate.count
        self._now = now
        self._max_callers = max_callers
        #: In the order in which they were last heard of.
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many callers are remembered."""
        return len(self._full_at)

    def wait_s(self, caller: str) -> float:
        """Return how long a caller must wait for its next request, 0 or less if it need not."""
        full_at = self._full_at.get(caller)
        return 0.0 if full_at is None else full_at + self._request_s - self._now() - self._period_s

    def take(self, caller: str) -> None:
        """Take one request from a caller's budget."""
        now = self._now()
        full_at = max(self._full_at.pop(caller, now), now) + self._request_s
        self._full_at[caller] = full_at
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget who has a whole budget again; beyond the limit, whoever was silent longest."""
        # One has come, so two that go are enough; it is the last, and stays.
        for _ in range(2):
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) <= self._max_callers:
                return
            del self._full_at[oldest]


class Callers:
    """Keeps each caller to its limits.

    Args:
        rate: ``None`` for no limit.
        max_concurrent: 0 for no limit.
        now: Monotonic seconds.
        max_callers: How many are remembered.
    """

    def __init__(
        self,
        rate: Rate | None,
        max_concurrent: int,
        *,
        now: Callable[[], float] = time.monotonic,
        max_callers: int = _MAX_CALLERS,
    ) -> None:
        self._requests = None if rate is None else Budget(rate, now, max_callers)
        # Apart, so that those who share an address with somebody are not taken for him.
        self._failures = None if rate is None else Budget(rate, now, max_callers)
        self._max_concurrent = max_concurrent
        self._running: dict[str, int] = {}

    def check_failures(self, address: Address | None) -> None:
        """Refuse whoever has failed to sign in too often, before it tries again.

        Raises:
            TooManyRequests: Its address has.
        """
        if self._failures is not None:
            _refuse_for(self._failures.wait_s(caller_at(address)), "failed attempts to sign in")

    def count_failure(self, address: Address | None) -> None:
        """Note that somebody failed to sign in."""
        if self._failures is not None:
            self._failures.take(caller_at(address))

    def admit(self, caller: str) -> AbstractContextManager[None]:
        """Count a request, which runs until the context ends.

        Raises:
            TooManyRequests: The caller has made too many, or too many of its requests run.
        """
        if self._requests is not None:
            _refuse_for(self._requests.wait_s(caller), "requests")
        if self._max_concurrent and self._running.get(caller, 0) >= self._max_concurrent:
            raise TooManyRequests(
                f"{self._max_concurrent} of your requests are being served already; wait for them.",
                retry_after_s=_CONCURRENT_RETRY_S,
            )
        if self._requests is not None:
            self._requests.take(caller)
        return _Running(self._running, caller) if self._max_concurrent else _UNCOUNTED


class _Running:
    """Counts a request of a caller while it runs; a generator would cost thrice as much."""

    __slots__ = ("_caller", "_running")

    def __init__(self, running: dict[str, int], caller: str) -> None:
        self._running = running
        self._caller = caller

    def __enter__(self) -> None:
        self._running[self._caller] = self._running.get(self._caller, 0) + 1

    def __exit__(self, *exc_info: object) -> None:
        left = self._running.pop(self._caller) - 1
        if left:
            self._running[self._caller] = left


@lru_cache(_REMEMBERED)
def caller_at(address: Address | None) -> str:
    """Return how a caller is told apart that has not signed in.

    It may use any address of the network that it was given, so that counts as one.
    """
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> _SITE_BITS << _SITE_BITS, _SITE_BITS)))
    return str(address)


def _refuse_for(wait_s: float, what: str) -> None:
    if wait_s > _ROUNDING_S:
        raise TooManyRequests(
            f"Too many {what}; try again in {math.ceil(wait_s)} s.",
            retry_after_s=math.ceil(wait_s),
        )
