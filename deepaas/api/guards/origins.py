# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which pages may make a browser change something here, and which may read what is answered.

A browser sends most requests of a page to any address, also to services that only its user reaches,
and asks afterwards whether the page may read the answer. A training would have begun by then.
"""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from deepaas.api.guards.proxies import Proxies
from deepaas.config.guards import ANY, without_default_port
from deepaas.errors import Forbidden

#: RFC 9110, section 9.2.1: these change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FETCH_SITE: Final = "Sec-Fetch-Site"
#: What the service itself offers, and the user typed or clicked outside of any page.
_OWN_SITES: Final = frozenset({"same-origin", "none"})
#: Of a list of names of headers.
_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{1,2000}", re.ASCII)
_PREFLIGHT_S: Final = 600
_EXPOSED: Final = ", ".join(
    (
        *("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Location"),
        *("Preference-Applied", "Retry-After", "WWW-Authenticate"),
        *("X-Model-Version", "X-Request-ID"),
    )
)


class Origins:
    """Refuses pages of other origins what changes something.

    Args:
        allowed: The origins that may, in lower case.
        proxies: Tell under which name a browser knows the service.
    """

    def __init__(self, allowed: frozenset[str], proxies: Proxies) -> None:
        self._allowed = allowed
        self._proxies = proxies

    def check(self, request: web.Request) -> None:
        """Refuse a request that a page of another origin makes; what is no browser passes.

        Raises:
            Forbidden: It is one; the message names the option.
        """
        if request.method in _SAFE:
            return
        headers = request.headers
        site, origin = headers.get(_FETCH_SITE), headers.get(hdrs.ORIGIN)
        # A browser that knows it always sends the first (W3C, Fetch Metadata), where it is sure
        # that nobody reads on the way; others send the second.
        if site in _OWN_SITES or (site is None and origin is None):
            return
        if origin is not None and origin.lower() in self._allowed:
            return
        if site is None and origin is not None and self._is_own(request, origin.lower()):
            return
        page = "another origin" if origin is None else repr(origin[:100])
        raise Forbidden(
            f"A page of {page} may not call this service; --allowed-origin names those that may."
        )

    def _is_own(self, request: web.Request, origin: str) -> bool:
        client = self._proxies.client_of(request)
        for host in (client.host, request.headers.get(hdrs.HOST)):
            # A proxy that nobody told of may have taken TLS off: https may be http here. What came
            # as https is never taken for the same without.
            for scheme in ("https",) if client.scheme == "https" else ("https", "http"):
                if host and origin == without_default_port(f"{scheme}://{host.lower()}"):
                    return True
        return False


class Cors:
    """Lets pages of other origins read answers (WHATWG, Fetch, section 3.2).

    Nobody signs in here with what a browser adds by itself, so credentials are never allowed.

    Args:
        allowed: The origins, in lower case, or :data:`~deepaas.config.guards.ANY`.
    """

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._allows_any = ANY in allowed

    def headers_for(self, request: web.Request) -> Mapping[str, str]:
        """Return what an answer says about who may read it."""
        if self._allows_any:
            return {
                hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: ANY,
                hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
            }
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin.lower() not in self._allowed:
            return {hdrs.VARY: hdrs.ORIGIN}
        return {
            hdrs.VARY: hdrs.ORIGIN,
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
        }

    def preflight_headers(self, request: web.Request, methods: str) -> Mapping[str, str]:
        """Return what a browser wants to know before it sends a page's request; or nothing.

        Args:
            request: The browser's question, with the method OPTIONS.
            methods: What the path is there for.
        """
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return {}
        if not self._allows_any and origin.lower() not in self._allowed:
            return {}
        headers: dict[str, str] = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: methods,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_S),
        }
        # All that it asks for: arguments of models may come in headers of any name.
        names = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
        if _NAMES.fullmatch(names):
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = names
        return headers
