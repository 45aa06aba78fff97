# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What tells who calls."""

from typing import TYPE_CHECKING, Protocol

from deepaas.auth.principal import Identity, Policy, Principal

if TYPE_CHECKING:
    from multidict import MultiMapping


class Authenticator(Protocol):
    """Tells who calls; safe to use by many requests at once."""

    async def authenticate(self, headers: "MultiMapping[str]") -> Principal:
        """Return the caller.

        Args:
            headers: Of the request; names in any case, each perhaps more than once.

        Raises:
            InvalidCredentials: What the request signs in with proves nothing.
            Unavailable: It cannot be judged at the moment.
        """
        ...


class TokenSource(Protocol):
    """Tells whose a token is; safe to use by many requests at once."""

    async def identify(self, token: str) -> Identity | None:
        """Return whose a token is, ``None`` if it is none that this source could judge.

        Raises:
            InvalidCredentials: It could be one of this source's, and is not valid.
            Unavailable: It cannot be judged at the moment.
        """
        ...


class NoSignIn:
    """Everyone is anonymous and may do everything, as existing deployments expect."""

    _ANYONE = Principal(None, frozenset(Policy))

    async def authenticate(self, headers: "MultiMapping[str]") -> Principal:
        """Return the anonymous principal."""
        return self._ANYONE
