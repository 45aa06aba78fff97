# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tell whoever asked for it that a deployment has changed."""

import asyncio
import logging
from typing import Any

import aiohttp

logger = logging.getLogger(__name__)

_LIMIT_S = 10.0
#: Of one deployment; who is told so slowly misses the changes behind them.
_MOST_WAITING = 100


class Callbacks:
    """POSTs documents to addresses, those for one address in their order; errors change nothing."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._session: aiohttp.ClientSession | None = None
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def post(self, url: str, document: dict[str, Any]) -> None:
        """Tell an address about a change, at some time soon."""
        queue = self._queues.setdefault(url, asyncio.Queue(_MOST_WAITING))
        if queue.full():
            logger.warning("A callback is dropped: %s is slow.", url, extra={"action": "callback"})
            return
        queue.put_nowait(document)
        if url not in self._tasks:
            self._tasks[url] = asyncio.create_task(self._send(url, queue), name=f"callbacks {url}")

    async def _send(self, url: str, queue: asyncio.Queue[dict[str, Any]]) -> None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            while not queue.empty():
                try:
                    async with self._session.post(
                        url, json=queue.get_nowait(), allow_redirects=False
                    ):
                        pass
                except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
                    logger.info("A callback failed: %s", exc, extra={"action": "callback_failed"})
        finally:
            del self._tasks[url], self._queues[url]

    async def close(self) -> None:
        """Send what waits, as long as one request may take, and disconnect."""
        if self._tasks:
            waiting = list(self._tasks.values())
            _, late = await asyncio.wait(waiting, timeout=_LIMIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
