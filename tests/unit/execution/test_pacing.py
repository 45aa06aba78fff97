# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Values are handed on at a pace, and none that is the newest is kept back."""

import threading
from collections.abc import Callable, Iterator

import pytest

from deepaas.execution.pacing import Pace
from tests.unit.parts import wait_for

LONG_S = 600.0


@pytest.fixture
def given() -> list[int]:
    return []


@pytest.fixture
def make(given: list[int]) -> Iterator[Callable[[float], Pace[int]]]:
    made = []

    def make(pause_s: float) -> Pace[int]:
        made.append(Pace(given.append, pause_s))
        return made[-1]

    yield make
    for pace in made:
        pace.close()
        pace.close()


def test_the_first_comes_at_once_and_the_last_at_the_end(
    make: Callable[[float], Pace[int]], given: list[int]
) -> None:
    pace = make(LONG_S)
    for number in range(100):
        pace.put(number)
    assert given == [0]
    pace.close()
    assert given == [0, 99]
    pace.put(100)
    assert given == [0, 99]


def test_a_value_that_waits_is_handed_on_though_none_follows(
    make: Callable[[float], Pace[int]], given: list[int]
) -> None:
    pace = make(0.01)
    for number in range(3):
        pace.put(number)
    wait_for(lambda: given[-1] == 2)


def test_nothing_is_kept_back_without_a_pause(
    make: Callable[[float], Pace[int]], given: list[int]
) -> None:
    pace = make(0)
    for number in range(3):
        pace.put(number)
    assert given == [0, 1, 2]


def test_a_fork_has_nothing_of_its_parent(
    make: Callable[[float], Pace[int]], given: list[int]
) -> None:
    pace = make(LONG_S)
    pace.put(1)
    pace.put(2)
    with pace._lock:
        pace.leave_fork()
    pace.put(3)
    assert given == [1, 3]


def test_where_no_thread_can_be_started_the_value_waits(
    make: Callable[[float], Pace[int]], given: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pace = make(LONG_S)
    pace.put(1)
    monkeypatch.setattr(threading.Timer, "start", refuse)
    pace.put(2)
    assert given == [1]
    pace.close()
    assert given == [1, 2]
