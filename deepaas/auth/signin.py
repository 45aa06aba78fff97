# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find out who calls, from keys and from tokens of issuers."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from deepaas.auth.access import AccessRules
from deepaas.auth.base import TokenSource
from deepaas.auth.keyring import KeyRing
from deepaas.auth.keys import PREFIX
from deepaas.auth.principal import Identity, Principal
from deepaas.errors import InvalidCredentials

if TYPE_CHECKING:
    from multidict import MultiMapping

#: Longer than any key or token is; no more of it is looked at.
_MOST_CHARACTERS: Final = 16 * 1024
#: What a token is made of (RFC 6750, section 2.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_MOST_TOKENS: Final = 4096
#: What an issuer takes back, a group say, is seen after this time.
_KEPT_S: Final = 300.0
#: Entitlements that are looked at in the event loop.
_MOST_AT_ONCE: Final = 20
_NONE: Final[Sequence[str]] = ()


class _Known(NamedTuple):
    principal: Principal
    #: On the clock of :func:`time.time`.
    until: float


class SignIn:
    """Judges what a request signs in with; what is sent and proves nothing is always refused.

    Who a token belongs to, and what they may do, is found out once, then known until the token
    expires, or for five minutes.
    """

    def __init__(
        self,
        rules: AccessRules,
        ring: KeyRing | None = None,
        sources: Sequence[TokenSource] = (),
        *,
        clock: Callable[[], float] = time.time,
        most_tokens: int = _MOST_TOKENS,
    ) -> None:
        """Judge by these; none is opened or closed here.

        Args:
            rules: Say who may do what.
            ring: The keys, ``None`` if there are none.
            sources: Judge tokens; asked in this order.
            clock: The time, in seconds since 1970.
            most_tokens: So many tokens are known at once; then the one that was used longest ago is
                forgotten.
        """
        self._rules = rules
        self._ring = ring
        self._sources = tuple(sources)
        self._clock = clock
        self._most_tokens = most_tokens
        self._anonymous = rules.principal_of(None)
        #: By SHA-256: a token that is found in memory opens no door.
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, headers: "MultiMapping[str]") -> Principal:
        """Return the caller; see :meth:`Authenticator.authenticate`."""
        given = headers.getall("Authorization", _NONE)
        keys = headers.getall("X-API-Key", _NONE)
        if len(given) + len(keys) > 1:
            raise InvalidCredentials(
                "Sign in once: with one header Authorization, or with one X-API-Key."
            )
        if keys:
            return self._of_key(keys[0].strip())
        if not given:
            return self._anonymous
        if len(given[0]) > _MOST_CHARACTERS:
            raise InvalidCredentials("The token is too long.")
        scheme, _, rest = given[0].partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidCredentials("Authorization must be 'Bearer' and one key or token.")
        token = rest.strip(" ")
        return self._of_key(token) if token.startswith(PREFIX) else await self._of_token(token)

    def _of_key(self, key: str) -> Principal:
        if self._ring is None or len(key) > _MOST_CHARACTERS:
            raise InvalidCredentials("The key is not known here.")
        return self._ring.authenticate(key)

    async def _of_token(self, token: str) -> Principal:
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            if self._clock() < known.until:
                self._known.move_to_end(digest)
                return known.principal
            self._known.pop(digest, None)
        identity = await self._identify(token)
        principal = await self._principal_of(identity)
        self._keep(digest, principal, identity)
        return principal

    async def _principal_of(self, identity: Identity) -> Principal:
        if len(identity.entitlements) > _MOST_AT_ONCE:
            # Each is compared with each rule: nobody else is to wait for that.
            return await asyncio.to_thread(self._rules.principal_of, identity)
        return self._rules.principal_of(identity)

    async def _identify(self, token: str) -> Identity:
        if not _TOKEN.fullmatch(token):
            raise InvalidCredentials("Authorization must be 'Bearer' and one key or token.")
        for source in self._sources:
            identity = await source.identify(token)
            if identity is not None:
                return identity
        raise InvalidCredentials("The token is from nobody who is trusted here.")

    def _keep(self, digest: bytes, principal: Principal, identity: Identity) -> None:
        now = self._clock()
        ends = now + _KEPT_S
        if identity.expires is not None:
            ends = min(ends, identity.expires.timestamp())
        self._known[digest] = _Known(principal, ends)
        if len(self._known) > self._most_tokens:
            self._known.popitem(last=False)
