# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Lets the time of day pass faster; Python imports this where this folder is in ``PYTHONPATH``.

Every process of a server has it: the server, its guards, its workers, its trainings. The monotonic
clock stays as it is. By that one, processes wait for each other for seconds, which would not be
right any more; nothing that outlives a process is measured by it.
"""

import datetime
import os
import time
from typing import Self

#: Real time at which the clocks agree, and how much faster this one is from then on.
_START = float(os.environ["CLOCK_START"])
_FACTOR = float(os.environ["CLOCK_FACTOR"])

_real_time = time.time


def _time() -> float:
    return _START + (_real_time() - _START) * _FACTOR


def _time_ns() -> int:
    return int(_time() * 1e9)


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_time(), tz)


time.time, time.time_ns = _time, _time_ns
datetime.datetime = _Datetime  # type: ignore[misc]
