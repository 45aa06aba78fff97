# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find calls that wait for nobody.

After a worker's death, those that it had taken and not begun. At any time, those that lie in the
socket beside a worker that sleeps: the kernel wakes one for each call, and one that is stopped
(SIGSTOP) at this moment counts as woken and takes nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from deepaas.errors import WorkerDied
from deepaas.execution.crew import Crew
from deepaas.execution.pending import Pending

#: A call that was taken by this many workers which then died without beginning it is given up.
_MAX_LOST = 3
_LOOK_AGAIN_S = 0.002


class SearchedPool(Protocol):
    """What the search needs of its pool."""

    #: Calls that workers run, or can take, by their ids.
    handed: dict[int, Pending]

    def hand_out_again(self, lost: Iterable[Pending]) -> None:
        """Put calls that nobody holds in front of the queue, in order."""
        ...


class LostCalls:
    """Belongs to one pool."""

    def __init__(self, pool: SearchedPool, crew: Crew) -> None:
        self._pool = pool
        self._crew = crew
        #: The first call that no worker had begun, when that was looked at last.
        self._first = 0

    def is_overlooked(self, at_once: int) -> bool:
        """Whether a worker has room, and still has not begun what was first at the last look.

        Args:
            at_once: How many calls each worker runs at the same time.
        """
        begun = {running.call_id for worker in self._crew.workers for running in worker.running}
        before = self._first
        self._first = next((each for each in self._pool.handed if each not in begun), 0)
        return 0 < self._first == before and self._crew.has_room(at_once)

    def search(self) -> None:
        """Look, in a moment, for what was handed out and stands nowhere.

        What no worker has taken is out of the socket by now.
        """
        suspects = {call_id: pending.lost for call_id, pending in self._pool.handed.items()}
        self._look_later(suspects)

    def _look_later(self, suspects: Mapping[int, int]) -> None:
        asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._look, suspects)

    def _look(self, suspects: Mapping[int, int]) -> None:
        """Hand out again what stands nowhere.

        A living worker may hold a suspect unnoted only while it is receiving; one that was just
        loaded receives before the server has heard of it. The order matters: pages before answers,
        since a worker answers before it clears its page.

        Args:
            suspects: Each call's id, and how often it had been lost when it came under suspicion:
                of two deaths at once, the first one's search may have handed it out again.
        """
        if self._crew.is_closing:
            return
        living = tuple(self._crew.workers)
        if any(worker.is_receiving for worker in living):
            self._look_later(suspects)
            return
        begun = {running.call_id for worker in living for running in worker.running}
        for worker in living:
            worker.read_answers()
        self._pool.hand_out_again(self._given_back(sorted(suspects.keys() - begun), suspects))

    def _given_back(self, call_ids: Iterable[int], suspects: Mapping[int, int]) -> list[Pending]:
        """Take the calls back; one that was lost too often is given up."""
        found = []
        for call_id in call_ids:
            pending = self._pool.handed.get(call_id)
            if pending is None or pending.lost != suspects[call_id]:
                continue
            del self._pool.handed[call_id]
            pending.lost += 1
            if pending.lost >= _MAX_LOST:
                pending.end(None, WorkerDied())
            else:
                found.append(pending)
        return found
