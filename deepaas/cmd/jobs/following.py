# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Follow a job to its end: its log and its events, each from its own place on after a break."""

import asyncio
import time
from contextlib import aclosing
from typing import Any, Final

from deepaas.cmd.jobs.client import JobsClient
from deepaas.cmd.jobs.events import follow
from deepaas.cmd.jobs.harmless import parse_json
from deepaas.cmd.jobs.views import FollowView
from deepaas.errors import RequestFailed
from deepaas.records import FINAL_STATES

#: What breaks sooner after another break is the same one.
_QUIET_S: Final = 5.0
_FINAL: Final = frozenset(state.value for state in FINAL_STATES)


class JobFollowing:
    """Follows one job, and shows what comes."""

    def __init__(self, client: JobsClient, job_id: str, view: FollowView) -> None:
        self._client = client
        self._job = job_id
        self._view = view
        self._quiet_until_s = 0.0
        self._state: str | None = None

    async def run(self, tail: int | None) -> str:
        """Show everything up to the job's end, and return the state in which it ended.

        Args:
            tail: Of what is in the log already, only so many lines; ``None``: all.

        Raises:
            RequestFailed: The service refuses, or stays gone.
        """
        # Asked for by itself, so that a job that is not there is told once.
        await self._client.fetch(self._client.job(self._job))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_log(tail))
                group.create_task(self._follow_events())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._view.close()
        if self._state is None:
            job = await self._client.fetch(self._client.job(self._job))
            self._state = str(job.get("state"))
        return self._state

    async def _follow_log(self, tail: int | None) -> None:
        params: dict[str, str | list[str]] = {"follow": "true"}
        if tail is not None:
            params["tail"] = str(tail)
        try:
            async with aclosing(self._events("/log", params)) as events:
                async for event in events:
                    if event.name == "end":
                        return
                    self._view.log(event.data)
        except RequestFailed as exc:
            if exc.status != 403:
                raise
            self._view.note(exc.message)  # the service keeps logs to itself

    async def _follow_events(self) -> None:
        async with aclosing(self._events("/events", {})) as events:
            async for event in events:
                try:
                    content = parse_json(event.data)
                except ValueError as exc:
                    raise self._client.nonsense(self._client.job(self._job, "/events")) from exc
                if isinstance(content, dict):
                    self._view.event(content)
                    if (state := str(content.get("state"))) in _FINAL:
                        self._state = state
                        return

    def _events(self, part: str, params: dict[str, str | list[str]]) -> Any:
        path = self._client.job(self._job, part)
        return follow(self._client, path, params=params, on_break=self._tell_break)

    def _tell_break(self, failure: RequestFailed) -> None:
        """Tell of a break, once, though both the log and the events break."""
        now = time.monotonic()
        if now > self._quiet_until_s:
            self._view.note(f"{failure.message} Trying again …")
        self._quiet_until_s = now + _QUIET_S
