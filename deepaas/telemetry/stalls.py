# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Notices that an event loop stands still, and says which code holds it up.

The loop turns a clock a few times in each span that counts as too long; a thread looks at the
clock and, while it stands, at what the loop's thread runs. asyncio's own debug mode would tell it
too, at a price that every call pays.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final

from deepaas.telemetry.histogram import Buckets, Histogram

logger = logging.getLogger(__name__)

#: Upper bounds in seconds for how late the loop was: a turn of it takes much less than the first.
LAG_BOUNDS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
#: Turns of the clock, and looks at it, in each span that is too long.
_LOOKS: Final = 4
#: How often the clock turns where nobody looks at it, for the histogram alone.
_IDLE_TICK_S: Final = 0.25
#: One line in so many seconds; what is not told is counted.
_QUIET_S: Final = 10.0
#: So many calls are named, the last ones.
_FRAMES: Final = 8


class LoopWatch:
    """Watches the loop in which it is opened, until it is closed; use it with ``async with``.

    Args:
        limit_s: How long the loop may stand still; 0: nobody looks, and its lag is counted all the
            same.
        clock: Seconds that only grow.
        cpu_clock: Seconds of processor time of this process.
    """

    def __init__(
        self,
        limit_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._limit_s = limit_s
        self._tick_s = limit_s / _LOOKS or _IDLE_TICK_S
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._lag = Histogram(LAG_BOUNDS_S)
        #: How often it stood still for too long.
        self.stalls = 0
        self._due_s = self._ticked_s = clock()
        #: The turn of the clock that was told, and those that were not.
        self._told_s = self._said_s = float("-inf")
        self._untold = 0
        self._looked_s, self._cpu_s = clock(), cpu_clock()
        self._closing = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._loop_thread = 0

    async def __aenter__(self) -> "LoopWatch":
        self._loop_thread = threading.get_ident()
        self._due_s = self._ticked_s = self._clock()
        self.turn()
        if self._limit_s:
            self._thread = threading.Thread(target=self._run, name="loop watch", daemon=True)
            self._thread.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._closing.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    @property
    def lag(self) -> Buckets:
        """How late the loop was at each turn of the clock, in seconds."""
        return self._lag.read()

    def turn(self) -> None:
        """Turn the clock, and see that it is turned again; called by the loop."""
        if self._timer is not None:
            self._timer.cancel()
        now_s = self._clock()
        late_s = max(0.0, now_s - self._due_s)
        self._lag.add(late_s)
        if self._limit_s and late_s >= self._limit_s:
            self.stalls += 1
        self._ticked_s = now_s
        self._due_s = now_s + self._tick_s
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self.turn)

    def _run(self) -> None:
        while not self._closing.wait(self._tick_s):
            self.look()

    def look(self) -> None:
        """Tell what the loop's thread runs if the loop stands still; called by the own thread.

        A process that was itself stopped, or had to wait for a processor, is no fault of its code:
        then the look came late too, and little processor time was used meanwhile.
        """
        now_s, cpu_s = self._clock(), self._cpu_clock()
        since_s, used_s = now_s - self._looked_s, cpu_s - self._cpu_s
        self._looked_s, self._cpu_s = now_s, cpu_s
        stood_s = now_s - self._ticked_s - self._tick_s
        if stood_s < self._limit_s or self._ticked_s == self._told_s:
            return
        if since_s > self._limit_s and used_s < since_s / 2:
            return
        self._tell(stood_s, sys._current_frames()[self._loop_thread], now_s)

    def _tell(self, stood_s: float, frame: FrameType, now_s: float) -> None:
        self._told_s = self._ticked_s
        if now_s - self._said_s < _QUIET_S:
            self._untold += 1
            return
        more = f" It did {self._untold} times before, which was not told." if self._untold else ""
        self._said_s, self._untold = now_s, 0
        logger.warning(
            "The event loop stands still for %.2f s, in: %s.%s",
            stood_s,
            _calls(frame),
            more,
            extra={"action": "loop_blocked", "seconds": round(stood_s, 3)},
        )


def _calls(frame: FrameType) -> str:
    """Return the last calls of a stack in one line, the innermost one first."""
    calls = traceback.extract_stack(frame)[-_FRAMES:]
    return " < ".join(
        f"{call.name} ({'/'.join(call.filename.rsplit('/', 2)[-2:])}:{call.lineno})"
        for call in reversed(calls)
    )
