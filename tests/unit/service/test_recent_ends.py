# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ends are remembered for a while, whatever the time of day says."""

from datetime import timedelta

from deepaas.service.recent_ends import RecentEnds


def test_an_end_is_recent_for_so_long_and_then_forgotten() -> None:
    now = 0.0
    ends = RecentEnds(timedelta(seconds=10), clock=lambda: now)
    ends.add("a")
    now = 4.0
    ends.add("b")
    ends.add("a")  # told again: it ended when it ended
    assert [job in ends for job in ("a", "b", "c")] == [True, True, False]
    now = 10.0
    assert [job in ends for job in ("a", "b")] == [False, True]
    now = 20.0
    ends.add("c")
    assert [job in ends for job in ("b", "c")] == [False, True]
    assert list(ends._ends) == ["c"]
