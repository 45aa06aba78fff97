# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whether a pool takes another call, and if not, why."""

from deepaas.errors import QueueFull, Unavailable
from deepaas.execution.crew import Crew

_SHUTTING_DOWN = "The service is shutting down."


class Admission:
    """Belongs to one pool.

    Args:
        name: Of the model.
        crew: Its workers.
        max_queue: How many calls may wait for one of them.
    """

    def __init__(self, name: str, crew: Crew, max_queue: int) -> None:
        #: Whether nothing is taken any more, since the pool ends.
        self.is_refusing = False
        self._name = name
        self._crew = crew
        self._max_queue = max_queue

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer at the moment, ``None`` if it can."""
        return _SHUTTING_DOWN if self.is_refusing else self._crew.problem

    @property
    def refusal(self) -> Exception | None:
        """What to answer to any call, ``None``: calls are taken."""
        if self.is_refusing:
            return Unavailable(_SHUTTING_DOWN)
        if self._crew.is_hopeless:
            return Unavailable(f"The model {self._name!r} cannot be loaded at the moment.")
        return None

    def refusal_for(self, calls: int, at_once: int) -> Exception | None:
        """Return what to answer to one more call, ``None``: it is taken.

        Args:
            calls: How many wait or run.
            at_once: How many of them one worker runs at the same time.
        """
        if (refusal := self.refusal) is not None:
            return refusal
        if calls < self._max_queue:
            return None  # without counting those that run
        waiting = calls - self._crew.ready * at_once
        if waiting < self._max_queue:
            return None
        return QueueFull(f"{waiting} calls wait already, as many as are allowed; try again later.")
