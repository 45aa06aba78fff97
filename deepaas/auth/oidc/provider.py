# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an issuer says of itself: its endpoints and its keys (OpenID Connect Discovery)."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.keys import KeySet
from deepaas.errors import IssuerUnavailable

logger = logging.getLogger(__name__)

_PATH: Final = "/.well-known/openid-configuration"
_MOST_SHOWN: Final = 200
#: What every reader of addresses reads alike.
_ADDRESS: Final = re.compile(r"[!-\[\]-~]+", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Provider:
    """What an issuer says of itself."""

    #: Its name, as it stands in tokens; a slash at its end is part of it.
    issuer: str
    keys: KeySet
    #: ``None`` where it has none, or where it is not allowed to have it.
    userinfo_url: str | None
    introspection_url: str | None


async def fetch_provider(url: str, client: IssuerClient, hosts: tuple[str, ...]) -> Provider:
    """Ask an issuer what it is, and for its keys.

    Args:
        url: Its address, without a slash at its end.
        client: Asks it.
        hosts: Where its keys and endpoints may be beside its own host.

    Raises:
        IssuerUnavailable: It cannot be asked, or is not the one that was asked.
    """
    said = await client.fetch(url + _PATH)
    issuer = said.get("issuer")
    if not isinstance(issuer, str) or issuer.rstrip("/") != url:
        shown = repr(issuer)[:_MOST_SHOWN]
        raise IssuerUnavailable(
            f"{url} says that it is {shown}; name it in --auth-issuer as it names itself, or trust"
            " it no more."
        )
    places = _Places(url, hosts)
    keys_url = places.allowed(said, "jwks_uri")
    keys = await client.fetch(keys_url) if keys_url is not None else {}
    return Provider(
        issuer,
        KeySet(keys),
        places.allowed(said, "userinfo_endpoint"),
        places.allowed(said, "introspection_endpoint"),
    )


class _Places:
    """Where an issuer may have its endpoints: an issuer chooses no host for this server to ask."""

    def __init__(self, url: str, hosts: tuple[str, ...]) -> None:
        parts = urlsplit(url)
        self._url = url
        self._allowed = {(parts.scheme, _netloc(parts)), *(("https", host) for host in hosts)}

    def allowed(self, said: Mapping[str, Any], name: str) -> str | None:
        """Return an endpoint, ``None`` where there is none that is allowed."""
        endpoint = said.get(name)
        if endpoint is None:
            return None
        if isinstance(endpoint, str) and self._is_allowed(endpoint):
            return endpoint
        logger.warning(
            "%s has its %s at %s, which is not asked; see --auth-issuer-hosts.",
            self._url,
            name,
            repr(endpoint)[:_MOST_SHOWN],
            extra={"action": "endpoint_refused"},
        )
        return None

    def _is_allowed(self, endpoint: str) -> bool:
        if not _ADDRESS.fullmatch(endpoint):
            return False
        try:
            parts = urlsplit(endpoint)
            place = (parts.scheme, _netloc(parts))
        except ValueError:
            return False
        return place in self._allowed and "@" not in parts.netloc


def _netloc(parts: SplitResult) -> str:
    """Return host and port, without the port that the scheme has anyway."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = parts.port
    return host if port in (None, _PORTS.get(parts.scheme)) else f"{host}:{port}"
