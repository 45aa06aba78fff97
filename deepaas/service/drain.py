# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The end of serving: nothing new is taken, what was taken gets its answer."""

import asyncio
from collections.abc import Mapping

from deepaas.execution.base import ModelPool

_LOOK_S = 0.02
#: What a worker that runs nothing gets to end by itself: a model may have something to put away.
_IDLE_LEAVES_S = 1.0


class Drain:
    """Ends the predictions of a service."""

    def __init__(self, pools: Mapping[str, ModelPool]) -> None:
        self._pools = pools

    async def run(self, *, grace_s: float, force: asyncio.Event) -> None:
        """Refuse new calls at once, which readiness shows, and wait for those that were taken.

        Those that are left after the grace, or once ``force`` is set, end with their workers.
        """
        for pool in self._pools.values():
            pool.refuse()
        try:
            async with asyncio.timeout(grace_s):
                await self._wait_idle(force)
        except TimeoutError:
            pass
        await asyncio.gather(
            *(
                pool.close(grace_s=0 if pool.is_busy else _IDLE_LEAVES_S)
                for pool in self._pools.values()
            )
        )

    async def _wait_idle(self, force: asyncio.Event) -> None:
        forced = asyncio.create_task(force.wait())
        try:
            while any(pool.is_busy for pool in self._pools.values()) and not forced.done():
                await asyncio.wait({forced}, timeout=_LOOK_S)
        finally:
            forced.cancel()
