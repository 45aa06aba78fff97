# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What only an issuer can tell of a token: introspection (RFC 7662) and userinfo."""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from deepaas.auth.oidc.claims import Claims, subject_of, time_of
from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import Issuer
from deepaas.auth.oidc.provider import Provider
from deepaas.auth.oidc.signed import check_use
from deepaas.errors import InvalidCredentials, IssuerUnavailable

logger = logging.getLogger(__name__)

#: That the issuer refuses the client, and not the token.
_CLIENT_REFUSED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Attested:
    """What an issuer says of a token that says nothing itself."""

    provider: Provider
    claims: Claims
    #: Whether the claims are those of userinfo, and not of introspection.
    is_userinfo: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An issuer that is asked about opaque tokens."""

    issuer: Issuer
    #: The header that introspection is asked with; empty: userinfo is asked.
    authorization: str


def client_authorization(client_id: str, secret: str) -> str:
    """Return the header of a client (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


class OpaqueTokens:
    """Asks issuers whose a token is that says nothing itself."""

    def __init__(
        self,
        asked: Sequence[Asked],
        client: IssuerClient,
        *,
        audiences: Sequence[str],
        skew_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Ask nothing yet.

        Args:
            asked: Those that are asked, all at once.
            client: Asks.
            audiences: A token must be for one of them; empty for any.
            skew_s: How far the clock of an issuer may be off.
            now: Seconds since 1970.
        """
        self._asked = asked
        self._client = client
        self._audiences = frozenset(audiences)
        self._skew_s = skew_s
        self._now = now

    async def attest(self, token: str) -> Attested:
        """Return what the first issuer says that accepts a token.

        What one refuses another may know: none keeps out those whom another one lets in.

        Raises:
            InvalidCredentials: One says that it is not valid now, or not here; or none knows it.
            IssuerUnavailable: None that can be asked knows it, and not all can be asked.
        """
        tasks = [
            asyncio.create_task(self._attest(asked, token), name=f"asking {asked.issuer.url}")
            for asked in self._asked
        ]
        problem: IssuerUnavailable | None = None
        refusal: InvalidCredentials | None = None
        try:
            for next_one in asyncio.as_completed(tasks):
                try:
                    found = await next_one
                except IssuerUnavailable as exc:
                    problem = exc
                except InvalidCredentials as exc:
                    refusal = exc
                else:
                    if found is not None:
                        return found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        raise refusal or problem or InvalidCredentials("No trusted issuer knows the token.")

    async def _attest(self, asked: Asked, token: str) -> Attested | None:
        provider = await asked.issuer.provider()
        if asked.authorization:
            claims = await self._introspect(provider, asked.authorization, token)
        else:
            claims = await ask_userinfo(self._client, provider.userinfo_url, token)
        if claims is None:
            return None
        return Attested(provider, claims, is_userinfo=not asked.authorization)

    async def _introspect(
        self, provider: Provider, authorization: str, token: str
    ) -> Claims | None:
        """Return what introspection says of a token, ``None`` if the issuer does not know it."""
        url = provider.introspection_url
        if url is None:
            raise IssuerUnavailable(f"{provider.issuer} has no introspection that may be asked.")
        form = {"token": token, "token_type_hint": "access_token"}
        answer = await self._client.ask("POST", url, authorization=authorization, form=form)
        if answer.status in _CLIENT_REFUSED:
            logger.warning(
                "%s refuses the client that introspects tokens; see --auth-client-id.",
                url,
                extra={"action": "client_refused"},
            )
            raise IssuerUnavailable(f"{url} refuses the client.")
        claims = answer.content
        if claims.get("active") is not True or not _is_of(provider.issuer, claims):
            return None
        self._check(claims)
        return claims

    def _check(self, claims: Claims) -> None:
        """Look at what an issuer only reports: it does not know for what it is asked."""
        check_use(claims)
        kind = claims.get("token_type", "bearer")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise InvalidCredentials("This is no bearer token.")
        expires, begins = time_of(claims, "exp"), time_of(claims, "nbf")
        if expires is not None and self._now() >= expires + self._skew_s:
            raise InvalidCredentials("The token has expired.")
        if begins is not None and self._now() < begins - self._skew_s:
            raise InvalidCredentials("The token is not valid yet.")
        audience = claims.get("aud")
        named_audiences = audience if isinstance(audience, list) else [audience]
        if self._audiences and not self._audiences.intersection(
            name for name in named_audiences if isinstance(name, str)
        ):
            raise InvalidCredentials("The token is not for this service: its audience is another.")


def _is_of(issuer: str, claims: Claims) -> bool:
    """Tell whether a token is one of the issuer that introspects it, as far as that says."""
    named = claims.get("iss", issuer)
    return isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/")


async def ask_userinfo(client: IssuerClient, url: str | None, token: str) -> Claims | None:
    """Return what userinfo says of a token's owner, ``None`` if it says nothing.

    Args:
        client: Asks.
        url: The endpoint, ``None`` if the issuer has none.
        token: An access token.

    Raises:
        IssuerUnavailable: It cannot be asked.
    """
    if url is None:
        return None
    answer = await client.ask("GET", url, authorization=f"Bearer {token}")
    return answer.content if answer.status == 200 else None


def owner_of(claims: Claims) -> str:
    """Return whose an introspected token is; of a client's own token, the client.

    The same name as in signed tokens, see RFC 9068, section 2.2.

    Raises:
        InvalidCredentials: The claims do not say it.
    """
    if claims.get("sub") is None:
        return subject_of({"sub": claims.get("client_id")})
    return subject_of(claims)
