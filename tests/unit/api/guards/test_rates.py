# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Nobody gets more than its share, nobody pays for others, and memory has a bound."""

from ipaddress import ip_address

import pytest

from deepaas.api.guards.rates import Budget, Callers, caller_at
from deepaas.config.guards import Rate
from deepaas.errors import TooManyRequests

HERE, THERE = ip_address("203.0.113.7"), ip_address("203.0.113.8")


class Clock:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(callers: Callers, caller: str, attempts: int) -> int:
    """Return how many of the requests were admitted."""
    admitted = 0
    for _ in range(attempts):
        try:
            with callers.admit(caller):
                admitted += 1
        except TooManyRequests:
            pass
    return admitted


@pytest.mark.parametrize("rate", [Rate(10, 1.0), Rate(10, 60.0), Rate(10, 3600.0)])
def test_so_many_in_a_period_and_no_more(rate: Rate) -> None:
    clock = Clock()
    callers = Callers(rate, 0, now=clock)
    assert made(callers, "a", 25) == 10
    assert made(callers, "b", 25) == 10
    clock.now += rate.period_s / 2
    assert made(callers, "a", 25) == 5
    clock.now += rate.period_s * 5
    assert made(callers, "a", 25) == 10


def test_who_asks_again_when_told_to_is_served() -> None:
    clock = Clock()
    callers = Callers(Rate(2, 60.0), 0, now=clock)
    assert made(callers, "a", 2) == 2
    with pytest.raises(TooManyRequests, match="try again in 30 s") as caught:
        callers.admit("a")
    assert caught.value.retry_after_s == 30
    clock.now += 30
    assert made(callers, "a", 2) == 1


def test_without_a_limit_everything_is_admitted() -> None:
    assert made(Callers(None, 1), "a", 10_000) == 10_000


def test_requests_at_once() -> None:
    callers = Callers(None, 2)
    with callers.admit("a"), callers.admit("a"):
        with pytest.raises(TooManyRequests, match="2 of your requests") as caught:
            callers.admit("a")
        assert caught.value.retry_after_s == 1
        assert made(callers, "b", 1) == 1
    assert made(callers, "a", 5) == 5
    assert callers._running == {}


def test_one_that_is_refused_for_those_that_run_costs_nothing() -> None:
    callers = Callers(Rate(3, 60.0), 1, now=Clock())
    with callers.admit("a"):
        assert made(callers, "a", 10) == 0
    assert made(callers, "a", 10) == 2


def test_whoever_guesses_is_stopped_and_nobody_else() -> None:
    callers = Callers(Rate(3, 60.0), 0, now=Clock())
    for _ in range(3):
        callers.check_failures(HERE)
        callers.count_failure(HERE)
    with pytest.raises(TooManyRequests, match="failed attempts to sign in"):
        callers.check_failures(HERE)
    callers.check_failures(THERE)
    assert made(callers, caller_at(HERE), 1) == 1


def test_without_a_rate_failures_are_not_counted() -> None:
    callers = Callers(None, 5)
    for _ in range(100):
        callers.count_failure(HERE)
    callers.check_failures(HERE)


def test_a_network_of_ipv6_is_one_caller() -> None:
    one, same, other = (ip_address(f"2001:db8:0:{n}") for n in ("1::1", "1:ffff::2", "2::1"))
    assert caller_at(one) == caller_at(same) == "2001:db8:0:1::/64"
    assert caller_at(other) != caller_at(one)
    assert caller_at(HERE) == "203.0.113.7"
    assert caller_at(None) == "None"


def test_a_crowd_of_addresses_fills_no_memory() -> None:
    budget = Budget(Rate(1, 60.0), Clock(), max_callers=100)
    for n in range(10_000):
        budget.take(str(n))
    assert len(budget) == 100
    assert budget.wait_s("9999") > 0


def test_who_has_a_whole_budget_again_is_forgotten() -> None:
    clock = Clock()
    budget = Budget(Rate(1, 60.0), clock, max_callers=100)
    for n in range(50):
        budget.take(str(n))
    clock.now += 61
    for _ in range(50):
        budget.take("new")
    assert len(budget) == 1
