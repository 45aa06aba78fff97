# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The one client that fetches what others name: it looks before each step where it leads.

A host is resolved once, all its addresses are looked at, and the connection goes to one of them:
no second look-up could give another. Each redirect is a new address to it.
"""

import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import NEEDS_CLEANUP_CLOSED
from yarl import URL

from deepaas import __version__
from deepaas.errors import CannotFetch
from deepaas.fetching.addresses import AddressPolicy
from deepaas.fetching.resolving import Resolve, resolve

#: The same for a host that is not public and for one that does not exist: what is inside a network
#: is nobody's business outside.
_NOT_PUBLIC: Final = "The address does not lead to a public host."
_DEFAULT_PORTS: Final = frozenset({80, 443})
#: Mail, files, remote shells: services that a request must not be smuggled into.
_FIRST_FREE_PORT: Final = 1024
_MAX_URL_CHARACTERS: Final = 8192
#: What parsers of URLs disagree on: white space, control characters, backslashes.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {
    "User-Agent": f"deepaas/{__version__}",
    # Compressed, little could become much.
    "Accept-Encoding": "identity",
}
#: Takes pieces, in order.
Sink = Callable[[bytes], Awaitable[None]]
#: Of aiohttp: family, type, protocol, canonical name, address.
_AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came."""

    size_bytes: int
    #: As the host stated it, ``application/octet-stream`` if it did not.
    content_type: str


class GuardedClient:
    """Fetches from public hosts; holds no connection between two calls, no cookie, no proxy.

    Args:
        policy: Which addresses it may connect to.
        resolve: Finds the addresses of a host.
        max_redirects: How often a host may send it on.
        tls: Which certificates are believed; ``None``: those that the system believes.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        resolve: Resolve = resolve,
        max_redirects: int = 5,
        tls: SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._max_redirects = max_redirects
        self._tls = tls

    async def fetch(
        self, url: str, sink: Sink, *, max_bytes: int = 0, media_types: Sequence[str] = ()
    ) -> Fetched:
        """Fetch what an address leads to; how long that may take, is the caller's to limit.

        Args:
            url: As a client gave it.
            sink: Gets the content, as it comes.
            max_bytes: The most that it may be given; 0: no limit.
            media_types: Those that are wanted, ``image/*`` for all of a kind; empty: any.

        Raises:
            CannotFetch: It leads where it may not, or not to what is wanted.
            Exception: Whatever the sink raises.
        """
        target = _parse(url)
        for _ in range(self._max_redirects + 1):
            async with self._answer(target) as response:
                if response.status in _REDIRECTS:
                    target = _next(target, response.headers.get("Location", ""))
                    continue
                content_type = _check(response, max_bytes, media_types)
                size = await _read(response, sink, max_bytes)
                return Fetched(size, content_type)
        raise CannotFetch(f"The address leads on more than {self._max_redirects} times.")

    @asynccontextmanager
    async def _answer(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for an address, and give the head of the answer.

        Raises:
            CannotFetch: It leads where it may not, or there is no answer, or it breaks off.
        """
        addresses = await self._addresses(url)
        host = url.raw_host or ""
        if _is_number(addresses, host):
            # aiohttp knows one notation only.
            url = url.with_host(addresses[0])
        connector = aiohttp.TCPConnector(
            resolver=_Known(addresses),
            use_dns_cache=False,
            force_close=True,
            # Older Pythons keep a connection whose end the other side does not confirm.
            enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            ssl=self._tls or True,
            socket_factory=guarded_sockets(self._policy, host),
        )
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers=_HEADERS,
                    timeout=aiohttp.ClientTimeout(total=None),
                    trust_env=False,
                    auto_decompress=False,
                ) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                yield response
        except aiohttp.ClientConnectorCertificateError as exc:
            raise CannotFetch("The certificate of the host is not valid.") from exc
        except aiohttp.ClientPayloadError as exc:
            raise CannotFetch("The answer of the host broke off.") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise CannotFetch("The host cannot be reached, or it speaks no HTTP.") from exc

    async def _addresses(self, url: URL) -> list[str]:
        """Return where a host is, if all of that is allowed.

        Raises:
            CannotFetch: It is not.
        """
        # As it is sent: letters beyond ASCII would be written by older rules (RFC 3490), which lead
        # to another host than the one that the request and its certificate name.
        host, port = url.raw_host or "", url.port or 0
        try:
            found = await self._resolve(host, port)
        except OSError as exc:
            raise CannotFetch(_NOT_PUBLIC) from exc
        if not found or not all(self._policy.allows(host, address) for address in found):
            raise CannotFetch(_NOT_PUBLIC)
        if not self._may_use(port, host, found):
            raise CannotFetch(
                f"The address names port {port}; it may be 80, 443, or one from"
                f" {_FIRST_FREE_PORT} on."
            )
        return found

    def _may_use(self, port: int, host: str, addresses: Sequence[str]) -> bool:
        if port in _DEFAULT_PORTS or port >= _FIRST_FREE_PORT:
            return True
        return all(self._policy.is_allowed_by_name(host, address) for address in addresses)


class _Known(AbstractResolver):
    """Knows one host already."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses that were looked at, and no others."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Close nothing."""


def guarded_sockets(policy: AddressPolicy, host: str) -> Callable[[_AddrInfo], socket.socket]:
    """Return what makes the sockets of connections to a host.

    It is called with the very address that is connected to next, wherever that comes from.

    Raises:
        OSError: On each call with an address that is not allowed.
    """

    def make(info: _AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not policy.allows(host, str(address[0])):
            raise PermissionError("The address is not allowed.")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


def _parse(text: str) -> URL:
    """Return an address that can mean one thing only.

    Raises:
        CannotFetch: It is not one of HTTP, or holds a password.
    """
    if len(text) > _MAX_URL_CHARACTERS or _AMBIGUOUS.search(text):
        raise CannotFetch("The address is too long, or holds characters that no address may hold.")
    try:
        url = URL(text)
        has_host = bool(url.host) and url.port is not None
    except ValueError as exc:
        raise CannotFetch("This is no address.") from exc
    if url.scheme not in ("http", "https") or not has_host:
        raise CannotFetch("The address must begin with http:// or https://, and name a host.")
    if url.user is not None or url.password is not None:
        raise CannotFetch("The address must not hold a name or a password.")
    return url


def _next(url: URL, location: str) -> URL:
    """Return where a redirect leads.

    Raises:
        CannotFetch: Nowhere, or from an encrypted connection to another.
    """
    try:
        target = _parse(str(url.join(URL(location))))
    except ValueError as exc:
        raise CannotFetch("The host leads on to what is no address.") from exc
    if url.scheme == "https" and target.scheme != "https":
        raise CannotFetch("The host leads on from https to http.")
    return target


def _is_number(addresses: Sequence[str], host: str) -> bool:
    """Tell whether a host is an address itself, in a notation of the C library's."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return len(addresses) == 1 and str(ip_address(addresses[0])) == addresses[0]


def _check(response: aiohttp.ClientResponse, max_bytes: int, media_types: Sequence[str]) -> str:
    """Return the media type of an answer that can be taken.

    Raises:
        CannotFetch: It cannot.
    """
    if response.status != 200:
        raise CannotFetch(f"The host answered {response.status}.")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise CannotFetch("The host sent the content compressed, though it was asked not to.")
    stated = response.headers.get("Content-Type", "application/octet-stream")
    if media_types and not _fits(response.content_type, media_types):
        raise CannotFetch(
            f"The content is {response.content_type}; it must be {' or '.join(media_types)}."
        )
    if max_bytes and (response.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    return stated


def _fits(content_type: str, media_types: Sequence[str]) -> bool:
    kind = content_type.partition("/")[0]
    return any(each.lower() in (content_type, f"{kind}/*", "*/*") for each in media_types)


async def _read(response: aiohttp.ClientResponse, sink: Sink, max_bytes: int) -> int:
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if max_bytes and size > max_bytes:
            raise _too_large(max_bytes)
        await sink(chunk)
    return size


def _too_large(max_bytes: int) -> CannotFetch:
    return CannotFetch(f"The content is larger than {max_bytes} bytes, the most that is fetched.")
