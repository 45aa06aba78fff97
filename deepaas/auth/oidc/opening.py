# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Open what tells whose tokens are: connect its parts, begin to ask the issuers, close it again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import Issuer
from deepaas.auth.oidc.opaque import Asked, OpaqueTokens, client_authorization
from deepaas.auth.oidc.source import OidcTokens
from deepaas.config.oidc import OidcSettings
from deepaas.errors import ConfigurationError

logger = logging.getLogger(__name__)

_MOST_SECRET_BYTES = 64 * 1024


@asynccontextmanager
async def open_token_source(settings: OidcSettings) -> AsyncIterator[OidcTokens]:
    """Begin to ask the trusted issuers, which nobody waits for, and give the source of tokens.

    Raises:
        ConfigurationError: The file of secrets or of authorities cannot be used.
    """
    _warn(settings)
    secrets = await asyncio.to_thread(_secrets, settings)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(IssuerClient(settings.ca_file))
        issuers = {
            url: Issuer(url, client, hosts=settings.issuer_hosts) for url in settings.issuers
        }
        opaque = _opaque(settings, list(issuers.values()), secrets, client)
        source = OidcTokens(settings, issuers, client, opaque)
        for issuer in issuers.values():
            stack.push_async_callback(issuer.close)
            issuer.start()
        stack.push_async_callback(source.close)
        yield source


def _opaque(
    settings: OidcSettings, issuers: Sequence[Issuer], secrets: Sequence[str], client: IssuerClient
) -> OpaqueTokens | None:
    """Return what asks about opaque tokens, ``None`` if nobody is to be asked."""
    ids = settings.client_ids or ("",) * len(issuers)
    asked = [
        Asked(issuer, client_authorization(client_id, secret) if client_id else "")
        for issuer, client_id, secret in zip(issuers, ids, secrets, strict=True)
        if client_id or settings.opaque_userinfo
    ]
    if not asked:
        return None
    return OpaqueTokens(asked, client, audiences=settings.audiences, skew_s=settings.clock_skew_s)


def _secrets(settings: OidcSettings) -> tuple[str, ...]:
    """Return a secret for each issuer, empty where there is none."""
    count = len(settings.issuers)
    if settings.client_secret_file is None:
        return settings.client_secrets or ("",) * count
    lines = _lines(settings.client_secret_file)
    if len(lines) != count:
        raise ConfigurationError(
            f"The file of secrets {str(settings.client_secret_file)!r} has {len(lines)} lines and"
            f" auth-issuer {count} issuers; give a line for each issuer, in the same order, an"
            " empty one where there is none."
        )
    return lines


def _lines(file: Path) -> tuple[str, ...]:
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_SECRET_BYTES).decode()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigurationError(
            f"The file of secrets {str(file)!r} cannot be read: {reason}; see"
            " --auth-client-secret-file."
        ) from exc
    return tuple(line.strip() for line in text.splitlines())


def _warn(settings: OidcSettings) -> None:
    if not settings.audiences:
        logger.warning(
            "Tokens are accepted that a trusted issuer made for any other service; name this"
            " one with --auth-audience.",
            extra={"action": "audience_unchecked"},
        )
