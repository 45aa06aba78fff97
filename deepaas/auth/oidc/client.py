# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ask an issuer over HTTP: never for long, never for much, and nobody that it sends us to."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from deepaas.errors import ConfigurationError, IssuerUnavailable

#: For one request, all of it.
REQUEST_S: Final = 5.0
#: Keys and metadata of large issuers have some 20 kB.
MOST_BYTES: Final = 256 * 1024
_CONNECTIONS: Final = 8
#: Beyond that a host is too slow for what is asked of it, and waiting would not end well.
_MOST_WAITING: Final = 64
_MOST_REASON_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """What an issuer answered."""

    status: int
    #: Empty unless the status is 200.
    content: Mapping[str, Any]


class IssuerClient:
    """Asks issuers; opened and closed with ``async with``."""

    def __init__(self, ca_file: Path | None = None, *, request_s: float = REQUEST_S) -> None:
        """Connect to nothing yet.

        Args:
            ca_file: Authorities beside those of the system, ``None`` for none.
            request_s: What a request may take, all of it.
        """
        self._ca_file = ca_file
        self._request_s = request_s
        self._waiting: Counter[str] = Counter()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        tls = await asyncio.to_thread(_make_tls, self._ca_file)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls,
                limit=0,
                limit_per_host=_CONNECTIONS,
                # Older Pythons keep a connection whose end the other side does not confirm.
                enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # What is compressed could be far more than what came.
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=self._request_s),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def fetch(self, url: str) -> Mapping[str, Any]:
        """Return the JSON object at an address.

        Raises:
            IssuerUnavailable: There is none, or it did not come in time.
        """
        answer = await self.ask("GET", url)
        if answer.status != 200:
            raise IssuerUnavailable(f"{url} answered with status {answer.status}.")
        return answer.content

    async def ask(
        self,
        method: str,
        url: str,
        *,
        authorization: str = "",
        form: Mapping[str, str] | None = None,
    ) -> IssuerAnswer:
        """Send one request; what it sends is in no message.

        Args:
            method: Of HTTP.
            url: Where to; a redirection is not followed.
            authorization: The header, empty for none.
            form: The body, ``None`` for none.

        Raises:
            IssuerUnavailable: No usable answer came in time; the status may say so too.
        """
        host = urlsplit(url).netloc
        if self._waiting[host] >= _MOST_WAITING:
            raise IssuerUnavailable(f"{url} is too slow: {_MOST_WAITING} requests wait for it.")
        self._waiting[host] += 1
        headers = {"Authorization": authorization} if authorization else {}
        try:
            async with self._session.request(
                method, url, headers=headers, data=form, allow_redirects=False
            ) as response:
                return await _read(response, url)
        except TimeoutError as exc:
            raise IssuerUnavailable(f"{url} did not answer within {self._request_s:g} s.") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            reason = f"{type(exc).__name__}: {exc}"[:_MOST_REASON_CHARACTERS]
            raise IssuerUnavailable(f"{url} cannot be asked: {reason}") from exc
        finally:
            self._waiting[host] -= 1


async def _read(response: aiohttp.ClientResponse, url: str) -> IssuerAnswer:
    status = response.status
    if 400 <= status < 500 and status not in (408, 429):
        return IssuerAnswer(status, {})
    if status != 200:
        raise IssuerUnavailable(f"{url} answered with status {status}.")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise IssuerUnavailable(f"{url} answered with more than {MOST_BYTES} bytes.")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise IssuerUnavailable(f"{url} answered what is no JSON object.")
    return IssuerAnswer(status, content)


def _make_tls(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked with; ``SSL_CERT_FILE`` replaces the system's."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as exc:  # an ssl.SSLError is one
            reason = "it holds no certificates" if isinstance(exc, ssl.SSLError) else exc.strerror
            raise ConfigurationError(
                f"The file of authorities {str(ca_file)!r} cannot be used: {reason}; see"
                " --auth-ca-file and REQUESTS_CA_BUNDLE."
            ) from exc
    return context
