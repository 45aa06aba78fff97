# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What holds the event loop up is named, and nothing else is."""

import threading
import time

import pytest

from deepaas.telemetry.stalls import LoopWatch
from tests.unit.parts import PATIENCE_S, until

#: So long that the own thread never looks while a test runs: the test does.
LIMIT_S = 4000.0


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Times:
    """The time, and the processor time of the process, in step unless moved alone."""

    def __init__(self) -> None:
        self.clock, self.cpu = Clock(), Clock()

    def watch(self, limit_s: float = LIMIT_S) -> LoopWatch:
        return LoopWatch(limit_s, clock=self.clock, cpu_clock=self.cpu)

    def pass_by(self, seconds: float) -> None:
        self.clock.now += seconds
        self.cpu.now += seconds


def hold_up(watch: LoopWatch) -> None:
    """Stand in the way of the loop while somebody looks."""
    thread = threading.Thread(target=watch.look)
    thread.start()
    thread.join()


async def test_code_that_holds_the_loop_up_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    times = Times()
    async with times.watch() as watch:
        times.pass_by(2 * LIMIT_S)
        hold_up(watch)
        hold_up(watch)
    (record,) = caplog.records
    assert "stands still for 7000.00 s" in record.message
    assert "hold_up (telemetry/test_stalls.py:" in record.message
    assert vars(record)["action"] == "loop_blocked"


async def test_a_loop_that_turns_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    times = Times()
    async with times.watch() as watch:
        times.pass_by(LIMIT_S)  # the clock turns each 1000 s: it is late by 3000
        hold_up(watch)
    assert caplog.records == []


async def test_a_process_that_was_stopped_is_not_to_blame(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It looked late itself, and used no processor meanwhile."""
    times = Times()
    async with times.watch() as watch:
        times.clock.now += 2 * LIMIT_S
        hold_up(watch)
        assert caplog.records == []
        times.clock.now += 1.0  # it goes on, and the loop still stands
        hold_up(watch)
    assert len(caplog.records) == 1


async def test_a_lag_is_counted() -> None:
    """And, beyond the limit, that the loop stood still."""
    times = Times()
    async with times.watch() as watch:
        for seconds in (LIMIT_S / 4, LIMIT_S / 4 + 3.0, 2 * LIMIT_S):
            times.pass_by(seconds)
            watch.turn()
        assert watch.stalls == 1
        assert watch.lag.number == 4  # the first is that of the beginning
        assert watch.lag.total == 3.0 + 1.75 * LIMIT_S


async def test_the_loop_turns_the_clock_by_itself() -> None:
    async with LoopWatch(0.02) as watch:
        await until(lambda: watch.lag.number > 2)


async def test_a_thread_looks_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    times = Times()
    async with times.watch(0.02):
        times.pass_by(9.0)
        deadline_s = time.monotonic() + PATIENCE_S
        while not caplog.records and time.monotonic() < deadline_s:
            time.sleep(0.001)
    assert "test_a_thread_looks_by_itself" in caplog.records[0].message


async def test_with_nobody_who_looks_the_lag_is_counted_all_the_same() -> None:
    async with LoopWatch(0) as watch:
        assert watch.lag.number == 1
        assert "loop watch" not in [thread.name for thread in threading.enumerate()]


async def test_of_many_stalls_one_is_told_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    times = Times()
    async with times.watch(4.0) as watch:
        for pause_s in (8.0, 8.0, 20.0, 20.0):
            times.pass_by(pause_s)
            hold_up(watch)
            watch.turn()
    assert ["did 1 times before" in record.message for record in caplog.records] == [
        *(False, True, False)
    ]
