# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a pool counts of its calls."""

from collections import Counter
from typing import Final

from deepaas.execution.crew import Crew
from deepaas.execution.messages import Failure
from deepaas.execution.pending import Pending
from deepaas.execution.stats import ANSWERED, CALL_ENDS, FAILED, REFUSED, PoolStats, WorkerEnd
from deepaas.execution.tallies import Tallied
from deepaas.execution.workers import Worker, WorkerState

#: What is 0 is told too: who watches a number wants it from the beginning on.
_NO_WORKERS: Final = dict.fromkeys(map(str, WorkerState), 0)
_NO_ENDS: Final = dict.fromkeys(map(str, WorkerEnd), 0)


class CallCounts:
    """What a pool has counted itself, and what workers had that are gone."""

    def __init__(self) -> None:
        # Plain texts: a member of an enumeration takes longer to look up than to count.
        self.calls = dict.fromkeys(CALL_ENDS, 0)
        self._retired = Tallied()

    def answered(self, pending: Pending, failure: Failure | None) -> None:
        """Count a call that a worker has answered."""
        self.end(pending, ANSWERED if failure is None else FAILED)

    def refuse(self, pending: Pending, refusal: Exception) -> None:
        """Count a call that never runs, and tell whoever waits."""
        self.end(pending, REFUSED)
        pending.end(None, refusal)

    def end(self, pending: Pending, end: str) -> None:
        """Count what became of a call, the first time that something did."""
        if not pending.is_counted:
            pending.is_counted = True
            self.calls[end] += 1

    def retire(self, worker: Worker) -> None:
        """Keep what a worker has counted that is gone."""
        self._retired = self._retired.plus(worker.tallied)

    def stats(self, crew: Crew, calls: int) -> PoolStats:
        """Return all that is known now, of so many calls that wait or run."""
        workers, tallied = crew.workers, self._retired
        for worker in workers:
            tallied = tallied.plus(worker.tallied)
        running = sum(len(worker.running) for worker in workers)
        return PoolStats(
            # What has ended in its worker, and is not told yet, is in neither number.
            waiting=max(0, calls - running),
            running=running,
            workers=_NO_WORKERS | Counter(worker.state.value for worker in workers),
            pids=tuple(worker.pid for worker in workers if worker.pid is not None),
            calls=dict(self.calls),
            worker_ends=_NO_ENDS | crew.ends,
            tallied=tallied,
        )
