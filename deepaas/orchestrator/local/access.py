# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who may use the orchestrator of this machine: it starts programs for its owner."""

import hmac
from ipaddress import ip_address

from aiohttp import web

from deepaas.orchestrator.local.records import Refused


class Access:
    """Looks at what requests sign in with.

    Args:
        token: The one that is taken; ``None`` takes any, as long as there is one.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    def require_local(self, request: web.Request) -> None:
        """Refuse what a page of the web sends, under a name that leads here or from its own.

        Raises:
            Refused: It does not address this machine by its own name.
        """
        if not is_loopback(request.url.host or ""):
            raise Refused(403, f"The host {request.host!r} is not this machine.")
        if "Origin" in request.headers:
            raise Refused(403, "Pages of the web may not use this orchestrator.")

    def refusal(self, authorization: str) -> dict[str, str] | None:
        """Return what to answer to a request that does not sign in, ``None`` if it does.

        Args:
            authorization: The header. orpy 1.0.4 writes no blank behind ``Bearer``.
        """
        scheme, given = authorization[: len("Bearer")], authorization[len("Bearer") :].strip()
        if scheme.lower() != "bearer" or not given:
            return {
                "error": "unauthorized",
                "error_description": "Full authentication is required to access this resource",
            }
        if self._token is None or hmac.compare_digest(given.encode(), self._token.encode()):
            return None
        return {"error": "invalid_token", "error_description": "Invalid access token"}


def is_loopback(host: str) -> bool:
    """Whether a name or an address of a host is this machine's own."""
    if host.lower() in ("localhost", "ip6-localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
