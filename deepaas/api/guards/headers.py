# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What every answer tells a browser, so that nothing in it acts in the name of the service."""

from typing import Final

from aiohttp import hdrs, web

from deepaas.api.guards.origins import Cors

#: How to sign in (RFC 6750, section 3); who has sent nothing is told no error code.
CHALLENGE: Final = 'Bearer realm="deepaas"'
REFUSED_CHALLENGE: Final = f'{CHALLENGE}, error="invalid_token"'
#: Without a version: who attacks would know what to try.
SERVER: Final = "DEEPaaS"
_X_CONTENT_TYPE_OPTIONS: Final = "X-Content-Type-Options"
#: What browsers run programs of, beside what ends in ``+xml``.
_RUNS: Final = frozenset({"text/html", "text/xml", "application/xml", "text/xsl"})
#: Shows a document as one of no origin, without its programs (W3C, CSP 3, section 6.3.2).
_ALONE: Final = "sandbox"


class AnswerHeaders:
    """Adds to the headers of an answer just before they are sent.

    Args:
        cors: Tells which other origins may read, ``None`` if none may.
    """

    def __init__(self, cors: Cors | None = None) -> None:
        self._cors = cors

    async def add(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the answer as :attr:`aiohttp.web.Application.on_response_prepare` gives it."""
        headers = response.headers
        headers[hdrs.SERVER] = SERVER
        headers[_X_CONTENT_TYPE_OPTIONS] = "nosniff"
        content_type = headers.get(hdrs.CONTENT_TYPE, "")
        if not content_type.startswith("application/json") and _runs(content_type):
            headers.setdefault(hdrs.CONTENT_SECURITY_POLICY, _ALONE)
        if self._cors is not None:
            headers.update(self._cors.headers_for(request))


def _runs(content_type: str) -> bool:
    """Tell whether a browser that shows it would run what it holds."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in _RUNS or kind.endswith("+xml")
