# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Looks from time to time at what other servers have chosen, and at what they have left behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from deepaas.errors import StorageUnavailable
from deepaas.execution.presence import ServerPresence
from deepaas.service.switching import Switching
from deepaas.store.versions import VersionStore

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_ABANDONED = "The server ended while it was being promoted."


class VersionFollower:
    """Keeps the versions of one server in step with those of the others on its store."""

    def __init__(
        self,
        store: VersionStore,
        switching: Switching,
        *,
        presence: ServerPresence,
        drop_left: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            store: Not closed here.
            switching: Lets the models of this server catch up.
            presence: Tells which servers are alive.
            drop_left: Drops the candidates of this server whose end could not be recorded.
        """
        self._store = store
        self._switching = switching
        self._presence = presence
        self._drop_left = drop_left
        self._catching_up: dict[str, asyncio.Task[None]] = {}
        self._is_held_up = False

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                await self.try_look()
        finally:
            for task in self._catching_up.values():
                task.cancel()
            await asyncio.gather(*self._catching_up.values(), return_exceptions=True)

    async def try_look(self) -> None:
        """Look; a storage that cannot be used is told once, and looked at again later."""
        try:
            await self.look()
            self._is_held_up = False
        except (StorageUnavailable, OSError) as exc:
            if not self._is_held_up:
                logger.warning(
                    "What other servers have chosen cannot be seen: %s",
                    exc,
                    extra={"action": "versions_held_up"},
                )
            self._is_held_up = True

    async def look(self) -> None:
        """Drop the candidates of servers that are gone, and let the models catch up."""
        await self._drop_left()
        for candidate in await self._store.candidates():
            if not await asyncio.to_thread(self._presence.is_alive, candidate.server):
                await self._store.drop(
                    candidate.model, candidate.number, server=candidate.server, reason=_ABANDONED
                )
        choices = await self._store.choices()
        self._switching.on_known()
        for model, choice in choices.items():
            task = self._catching_up.get(model)
            if self._switching.is_behind(choice) and (task is None or task.done()):
                self._catching_up[model] = asyncio.create_task(
                    self._switching.catch_up(model), name=f"catch up {model}"
                )
