# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A target is met, missed or unknown; who decides about the peers is the best of them."""

import pytest

from benchmarks import contenders
from benchmarks.contenders import reason_against
from benchmarks.targets import GUARDED, PEERS, TARGETS, Target, Verdict, judge
from benchmarks.workloads import WORKLOADS
from tests.unit.benchmarks.made import made

RATE = "requests_per_s"


def verdict(target: Target, *figures: tuple[str, str, str, list[float]]) -> Verdict:
    [found] = judge(made(*figures), [target])
    return found


@pytest.mark.parametrize(("ours", "met"), [(66.0, True), (64.0, False)])
def test_a_rate_is_compared_with_the_limit(ours: float, *, met: bool) -> None:
    found = verdict(
        Target("noop-64", RATE, 0.65, at_least=True, to="limit"),
        ("noop-64", "limit", RATE, [100.0]),
        ("noop-64", "ours", RATE, [ours]),
    )
    assert (found.is_met, found.against) == (met, "one worker")


def test_the_best_peer_decides() -> None:
    found = verdict(
        Target("noop-64", RATE, 3, at_least=True, to=PEERS),
        ("noop-64", "limit", RATE, [1000.0]),
        ("noop-64", "cog", RATE, [10.0]),
        ("noop-64", "fastapi", RATE, [50.0]),
        ("noop-64", "ours", RATE, [100.0]),
    )
    assert (found.reached, found.against, found.is_met) == (2, "FastAPI", False)


def test_batching_is_compared_with_none() -> None:
    found = verdict(
        Target("batch-1", "p50_ms", 1.05, at_least=False, to="workload:single-1"),
        ("batch-1", "ours", "p50_ms", [5.5]),
        ("single-1", "ours", "p50_ms", [5.0]),
    )
    assert found.reached == pytest.approx(1.1)
    assert found.is_met is False


def test_a_bound_in_its_own_unit_needs_no_other_server() -> None:
    target = Target("start", "pss_mb", 85, at_least=False)
    assert verdict(target, ("start", "ours", "pss_mb", [85.0])).is_met


def test_ours_while_it_is_guarded_is_compared_with_ours() -> None:
    """It takes part in the smallest call alone, and is no peer."""
    [target] = [each for each in TARGETS if each.of == GUARDED]
    figures = (
        ("noop-64", "limit", RATE, [200.0]),
        ("noop-64", "ours", RATE, [100.0]),
        ("noop-64", "guarded", RATE, [85.0]),
    )
    found = verdict(target, *figures)
    assert (found.reached, found.against, found.is_met) == (0.85, "DEEPaaS", True)
    assert verdict(Target("noop-64", RATE, 1, at_least=True, to=PEERS), *figures).is_met is None
    for server, ends in ((contenders.GUARDED, "--use-json"), (contenders.WATCHED, "--access-log")):
        taken = {each.model for each in WORKLOADS if reason_against(server, each) is None}
        assert taken == {"noop"}
        assert server.command("python", "noop", 1)[-1] == ends
        key = server.call("noop", {}).headers["X-API-Key"]
        assert key in server.environment["DEEPAAS_API_KEYS"]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    for target in TARGETS:
        assert verdict(target).is_met is None


def test_every_target_is_about_a_figure_that_is_shown() -> None:
    shown = {workload.name: workload.shown for workload in WORKLOADS}
    assert [each for each in TARGETS if each.figure not in shown[each.workload]] == []
