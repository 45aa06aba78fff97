# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the server is to reach, as ratios within one run where that is possible."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.workloads import WORKLOADS

LIMIT = "limit"
OURS = "ours"
#: Ours, where callers sign in; and where each request is logged too.
GUARDED = "guarded"
WATCHED = "watched"
#: Stands for every peer that has a figure.
PEERS = "peers"
_OTHERS = frozenset({"in-process", LIMIT, OURS, GUARDED, WATCHED})


@dataclass(frozen=True)
class Target:
    """One bound on one figure of ours, or of ours while it is guarded."""

    workload: str
    figure: str
    bound: float
    #: Whether the bound is the least or the most.
    at_least: bool
    #: What the figure is divided by: a server, every peer, another workload of ours
    #: (``workload:NAME``), or nothing, for a bound in the figure's own unit.
    to: str = ""
    #: The server whose figure it is.
    of: str = OURS


@dataclass(frozen=True)
class Verdict:
    """How a target was met in a run."""

    target: Target
    #: ``None`` if something was not measured.
    reached: float | None
    #: The server that the figure was compared with.
    against: str

    @property
    def is_met(self) -> bool | None:
        """Whether the bound was kept, ``None`` if nobody knows."""
        if self.reached is None:
            return None
        if self.target.at_least:
            return self.reached >= self.target.bound
        return self.reached <= self.target.bound


def _least(workload: str, figure: str, bound: float, to: str = LIMIT) -> Target:
    return Target(workload, figure, bound, at_least=True, to=to)


def _most(workload: str, figure: str, bound: float, to: str = LIMIT) -> Target:
    return Target(workload, figure, bound, at_least=False, to=to)


TARGETS = (
    _least("noop-64", "requests_per_s", 0.65),
    _least("noop-64", "requests_per_s", 3.0, PEERS),
    Target("noop-64", "requests_per_s", 0.8, at_least=True, to=OURS, of=GUARDED),
    _most("noop-1", "p50_ms", 1.4),
    _most("noop-1", "p99_ms", 1.4),
    _least("json-raw", "requests_per_s", 0.95),
    _least("json-floats", "requests_per_s", 0.80),
    _least("binary", "requests_per_s", 0.90),
    _most("upload-200", "seconds", 1.0, "fastapi"),
    _most("upload-200", "growth_mb", 5.0, ""),
    _least("batch-64", "requests_per_s", 0.80),
    _least("batch-64", "requests_per_s", 2.0, PEERS),
    _most("batch-1", "p50_ms", 1.05, "workload:single-1"),
    _least("work", "requests_per_s", 0.98),
    _most("work", "health_p99_ms", 5.0, ""),
    _least("stream-1000", "items_per_s", 0.60),
    _least("stream-10000", "items_per_s", 0.60),
    _most("stream-1000", "first_ms", 2.0, ""),
    _most("json-large", "health_p99_ms", 10.0, ""),
    _most("train-list-100000", "page_ms", 5.0, ""),
    _most("train-beside", "times_p99", 1.3, ""),
    _most("train-followers", "health_worst_ms", 50.0, ""),
    _most("start", "start_s", 0.8, ""),
    _most("start", "pss_mb", 85.0, ""),
)


def judge(results: Results, targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """Compare a run with the targets."""
    return [_judge(results, target) for target in targets]


def _judge(results: Results, target: Target) -> Verdict:
    ours = results.median(target.workload, target.of, target.figure)
    if not target.to:
        return Verdict(target, ours, "")
    if target.to == PEERS:
        return _judge_peers(results, target, ours)
    kind, _, other = target.to.partition(":")
    if kind == "workload":
        base = results.median(other, OURS, target.figure)
        title = next(each.title for each in WORKLOADS if each.name == other)
        return Verdict(target, _over(ours, base), f"“{title}”")
    base = results.median(target.workload, target.to, target.figure)
    return Verdict(target, _over(ours, base), results.servers.get(target.to, target.to))


def _judge_peers(results: Results, target: Target, ours: float | None) -> Verdict:
    """Compare with the best of the peers, which is the one that decides about every one."""
    found = [
        (value, title)
        for name, title in results.servers.items()
        if name not in _OTHERS
        and (value := results.median(target.workload, name, target.figure)) is not None
    ]
    if not found:
        return Verdict(target, None, "the best peer")
    value, title = max(found) if target.at_least else min(found)
    return Verdict(target, _over(ours, value), title)


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
