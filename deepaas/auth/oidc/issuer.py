# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A trusted issuer: what it says of itself, kept fresh, and kept on when it is down."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.provider import Provider, fetch_provider
from deepaas.errors import IssuerUnavailable

logger = logging.getLogger(__name__)

#: Older, it is fetched anew, which nobody waits for.
FRESH_S: Final = 600.0
#: Older, whoever needs it waits for that: the issuer may have withdrawn a key.
AGED_S: Final = 3600.0
#: Older, it counts no more, though the issuer be down.
EXPIRED_S: Final = 24 * 3600.0
#: From the end of one fetch to the next one, whatever tokens name.
PAUSE_S: Final = 30.0
#: The same where it failed.
RETRY_S: Final = 10.0


class Issuer:
    """An issuer that is trusted; safe to use by many requests at once."""

    def __init__(
        self,
        url: str,
        client: IssuerClient,
        *,
        hosts: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            url: Its address, without a slash at its end.
            client: Asks it.
            hosts: Where its keys and endpoints may be beside its own host.
            clock: Seconds since any time.
        """
        self.url = url
        self._client = client
        self._hosts = hosts
        self._clock = clock
        self._provider: Provider | None = None
        self._fetched_at = -math.inf
        self._may_fetch_at = -math.inf
        self._problem = f"{url} was not asked yet."
        self._is_down = False
        self._fetching: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Begin to ask it, so that a wrong address is in the log at the start."""
        self._fetch()

    async def close(self) -> None:
        """Ask no more."""
        self._may_fetch_at = math.inf
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    async def provider(self) -> Provider:
        """Return what it says of itself; only what is old is waited for.

        Raises:
            IssuerUnavailable: It cannot be asked, and what it said before is too old.
        """
        age_s = self._clock() - self._fetched_at
        if age_s > FRESH_S:
            fetching = self._fetch()
            if fetching is not None and age_s > AGED_S:
                await asyncio.wait({fetching})
                age_s = self._clock() - self._fetched_at
        if self._provider is None or age_s > EXPIRED_S:
            raise IssuerUnavailable(self._problem)
        return self._provider

    async def renewed(self) -> Provider | None:
        """Return what it says of itself now, ``None`` if it was asked just before, or is down.

        For tokens that name a key which is not known: it may be new, or made up.
        """
        fetching = self._fetch()
        if fetching is None:
            return None
        await asyncio.wait({fetching})
        return self._provider if not fetching.cancelled() and fetching.result() else None

    def _fetch(self) -> asyncio.Task[bool] | None:
        """Return the fetch that runs, or a new one if there may be one."""
        if self._fetching is not None:
            return self._fetching
        if self._clock() < self._may_fetch_at:
            return None
        self._fetching = asyncio.create_task(self._run(), name=f"asking {self.url}")
        return self._fetching

    async def _run(self) -> bool:
        """Ask it; return whether it answered."""
        try:
            provider = await fetch_provider(self.url, self._client, self._hosts)
        except IssuerUnavailable as exc:
            self._fail(exc.message)
            return False
        except Exception as exc:
            logger.error(
                "Asking %s failed.", self.url, exc_info=exc, extra={"action": "issuer_unavailable"}
            )
            self._fail(f"Asking {self.url} failed, see the log: {type(exc).__name__}.")
            return False
        finally:
            self._fetching = None
        now = self._clock()
        self._provider, self._fetched_at, self._may_fetch_at = provider, now, now + PAUSE_S
        if self._is_down:
            logger.info("%s answers again.", self.url, extra={"action": "issuer_answers"})
        self._is_down = False
        return True

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self._may_fetch_at = self._clock() + RETRY_S
        if not self._is_down:  # once, not at each of many tries
            logger.warning(
                "An issuer of tokens cannot be used: %s",
                problem,
                extra={"action": "issuer_unavailable"},
            )
        self._is_down = True
