# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whose a bearer token is: signed ones are checked here, opaque ones by who issued them."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from deepaas.auth.oidc.claims import Claims, identity_of, says_memberships, subject_of, time_of
from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import Issuer
from deepaas.auth.oidc.opaque import OpaqueTokens, ask_userinfo, owner_of
from deepaas.auth.oidc.provider import Provider
from deepaas.auth.oidc.questions import Questions
from deepaas.auth.oidc.signed import (
    Unverified,
    WrongSignature,
    check_form,
    read_unverified,
    verify,
)
from deepaas.auth.principal import Identity
from deepaas.config.oidc import OidcSettings, UserinfoUse
from deepaas.errors import InvalidCredentials

logger = logging.getLogger(__name__)


class OidcTokens:
    """Tells whose a token of a trusted issuer is; a :class:`deepaas.auth.TokenSource`.

    Nobody but a trusted issuer is ever asked, whatever a token says.
    """

    def __init__(
        self,
        settings: OidcSettings,
        issuers: Mapping[str, Issuer],
        client: IssuerClient,
        opaque: OpaqueTokens | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            settings: Audiences, and how far clocks may differ.
            issuers: Those that are trusted, by their addresses without a slash at the end.
            client: Asks them.
            opaque: Asks about tokens that are no JWT, ``None`` if those sign nobody in.
            clock: Seconds since any time.
        """
        self._settings = settings
        self._issuers = issuers
        self._client = client
        self._opaque = opaque
        self._userinfo: Questions[Claims] = Questions(clock)
        self._attested: Questions[Identity] = Questions(clock)

    async def identify(self, token: str) -> Identity | None:
        """Return whose a token is, ``None`` if it is none that this source could judge.

        Raises:
            InvalidCredentials: It could be one of this source's, and is not valid.
            IssuerUnavailable: Its issuer would have to be asked, and cannot be.
        """
        check_form(token)
        said = read_unverified(token)
        if said is not None:
            return await self._identify_signed(token, said)
        if self._opaque is None:
            return None
        opaque = self._opaque
        identity = await self._attested.answer(token, lambda: self._identify_opaque(token, opaque))
        if identity.expires is not None and identity.expires <= datetime.now(UTC):
            raise InvalidCredentials("The token has expired.")
        return identity

    async def close(self) -> None:
        """Give up what is being asked."""
        await self._userinfo.close()
        await self._attested.close()

    async def _identify_signed(self, token: str, said: Unverified) -> Identity:
        # Before anything else: nothing that a token says leads to a request to anybody else.
        issuer = self._issuers.get(said.issuer)
        if issuer is None:
            raise InvalidCredentials("The token's issuer is not trusted here.")
        provider = await issuer.provider()
        try:
            claims = self._verify(token, said, provider)
        except WrongSignature:
            # The issuer may have a new key.
            renewed = await issuer.renewed()
            if renewed is None:
                raise
            provider, claims = renewed, self._verify(token, said, renewed)
        subject = subject_of(claims)
        further: Claims = {}
        if self._needs_userinfo(claims):
            further = await self._userinfo.answer(
                token, lambda: self._ask(token, subject, provider)
            )
        return self._identity(provider, subject, claims, further)

    def _verify(self, token: str, said: Unverified, provider: Provider) -> Claims:
        return verify(
            token,
            provider.keys.fitting(said.key_id, said.algorithm),
            said=said,
            audiences=self._settings.audiences,
            skew_s=self._settings.clock_skew_s,
        )

    async def _identify_opaque(self, token: str, opaque: OpaqueTokens) -> Identity:
        attested = await opaque.attest(token)
        provider, claims = attested.provider, attested.claims
        if attested.is_userinfo:
            return self._identity(provider, subject_of(claims), claims, {})
        subject = owner_of(claims)
        further: Claims = {}
        if self._needs_userinfo(claims):
            further = await self._ask(token, subject, provider)
        return self._identity(provider, subject, claims, further)

    def _needs_userinfo(self, claims: Claims) -> bool:
        use = self._settings.userinfo
        return use is UserinfoUse.ALWAYS or (
            use is UserinfoUse.MISSING and not says_memberships(claims)
        )

    async def _ask(self, token: str, subject: str, provider: Provider) -> Claims:
        """Return what userinfo says of the owner of a token that is valid."""
        found = await ask_userinfo(self._client, provider.userinfo_url, token)
        if found is None:
            return {}
        if found.get("sub") != subject:  # OpenID Connect Core, section 5.3.2
            logger.warning(
                "%s tells of somebody else than the token it was asked with; nothing is taken.",
                provider.userinfo_url,
                extra={"action": "userinfo_refused"},
            )
            return {}
        return found

    def _identity(
        self, provider: Provider, subject: str, claims: Claims, further: Claims
    ) -> Identity:
        expires_s = time_of(claims, "exp")
        if expires_s is not None:
            expires_s += self._settings.clock_skew_s
        return identity_of(provider.issuer, subject, (claims, further), expires_s)
