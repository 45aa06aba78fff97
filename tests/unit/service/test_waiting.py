# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whoever waits for a job is woken by its end, and leaves nothing behind."""

from deepaas.service.waiting import EndWaiters
from deepaas.testing import make_job


def test_all_who_wait_for_a_job_are_woken_and_no_other() -> None:
    waiters = EndWaiters()
    job, other = make_job(1), make_job(2)
    with waiters.waiting(job.id) as first:
        with waiters.waiting(job.id) as second, waiters.waiting(other.id) as third:
            waiters.on_end(job)
            assert (first.is_set(), second.is_set(), third.is_set()) == (True, True, False)
        waiters.on_end(other)
    waiters.on_end(job)
    assert waiters._events == {}
