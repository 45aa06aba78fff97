# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Of many values the newest, from time to time, and the last one always."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pace(Generic[T]):
    """Hands values on with a pause between them; safe across threads and in forks.

    A value that comes too early waits, until a newer one takes its place or the pause is over.

    Args:
        hand_on: Takes a value; called by one thread at a time.
        pause_s: Between two calls.
    """

    def __init__(self, hand_on: Callable[[T], None], pause_s: float) -> None:
        self._hand_on = hand_on
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._waiting: list[T] = []
        self._last_s = float("-inf")
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def put(self, value: T) -> None:
        """Hand a value on, now or a little later; after the end it is dropped."""
        with self._lock:
            if self._is_closed:
                return  # a thread that outlives train()
            self._waiting = [value]
            left_s = self._last_s + self._pause_s - time.monotonic()
            if left_s <= 0:
                self._flush()
            elif self._timer is None:
                self._start_timer(left_s)

    def _start_timer(self, delay_s: float) -> None:
        timer = threading.Timer(delay_s, self._when_due)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            return  # no more threads here; the value waits for the next one
        self._timer = timer

    def _when_due(self) -> None:
        with self._lock:
            self._timer = None
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            (value,), self._waiting = self._waiting, []
            self._last_s = time.monotonic()
            self._hand_on(value)

    def close(self) -> None:
        """Hand on what waits; it may be called twice."""
        with self._lock:
            self._flush()
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def leave_fork(self) -> None:
        """Begin anew in a fork: what waits is its parent's, and the lock may be held for ever."""
        self._lock = threading.Lock()
        self._waiting = []
        self._timer = None
        self._last_s = float("-inf")
