# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An end to what others may draw out: answers in drops, and patterns that backtrack for days."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deepaas.errors import RequestFailed


@contextmanager
def ended_after(limit_s: float, what: str) -> Iterator[None]:
    """End what is done in here; for the main thread, as signals are.

    Reads in the kernel and searches of :mod:`re` end alike, which no timeout of a socket does.

    Args:
        limit_s: Of the clock.
        what: That takes too long, for the message.

    Raises:
        RequestFailed: It took longer.
    """

    def end(*_: Any) -> None:
        raise RequestFailed(f"{what} takes longer than {limit_s:g} s.")

    handler = signal.signal(signal.SIGALRM, end)
    timer = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        # In this order: a timer of somebody else's must not end in our handler.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
