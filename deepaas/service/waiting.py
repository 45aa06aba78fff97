# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Wakes those who wait for a job's end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from deepaas.records import Job


class EndWaiters:
    """Those who wait for the ends of jobs; used from the event loop's thread only."""

    def __init__(self) -> None:
        #: By the job's id.
        self._events: dict[str, set[asyncio.Event]] = {}

    def on_end(self, job: Job) -> None:
        """Wake those who wait for a job, which has ended."""
        for event in self._events.get(job.id, ()):
            event.set()

    @contextmanager
    def waiting(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when the job ends, as far as :meth:`on_end` is told."""
        event = asyncio.Event()
        events = self._events.setdefault(job_id, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events:
                del self._events[job_id]
