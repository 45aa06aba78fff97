# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The store of what was seen in memory: a real implementation for tests."""

from collections.abc import Sequence
from datetime import datetime

from deepaas.store.monitoring import AHEAD, Seen, Series, Step


class InMemoryMonitoringStore:
    """A :class:`~deepaas.store.monitoring.MonitoringStore` that forgets with its process.

    Several servers can share one: no method gives up the event loop halfway.
    """

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, Step, datetime], Seen] = {}

    async def add(self, seen: Sequence[Seen], *, now: datetime) -> None:
        """Add what was seen."""
        for each in seen:
            for step in Step:
                key = (each.model, step, step.floor(each.time))
                before = self._pieces.get(key)
                self._pieces[key] = each.at(key[2]) if before is None else before.plus(each)
        models = {each.model for each in seen}
        for model, step, time in list(self._pieces):
            is_kept = now - step.kept <= time <= now + AHEAD
            if model in models and not is_kept:
                del self._pieces[model, step, time]

    async def read(
        self, model: str, step: Step, *, since: datetime, until: datetime, limit: int
    ) -> Series:
        """Return the pieces of a span."""
        found = sorted(
            (
                seen
                for (name, cut, time), seen in self._pieces.items()
                if (name, cut) == (model, step) and since <= time < until
            ),
            key=lambda seen: seen.time,
        )
        return found[-limit:] if limit > 0 else []
