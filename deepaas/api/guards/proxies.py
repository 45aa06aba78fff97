# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who a client is behind proxies, which only those that are trusted may say.

Each proxy adds the address that it sees at the end of the list, so that the list is read from its
end: the first address that is no trusted proxy is the client. What stands before it, the client may
have made up.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp import web

from deepaas.config.guards import Network

Address = IPv4Address | IPv6Address

_REMEMBERED: Final = 1024
#: Of a list of proxies; nobody has as many.
_MAX_HOPS: Final = 32
_IPV6_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?", re.ASCII)
_IPV4_PORT: Final = re.compile(r"([0-9.]+)(?::\d{1,5})?", re.ASCII)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", re.ASCII)
#: RFC 7239, section 4.
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=(?:"([^"\\]*)"|([^\s";,]*))\s*', re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """Who called, as far as it is known."""

    #: ``None`` where there is none, or the client is gone already.
    address: Address | None
    #: ``http`` or ``https``, as the client sees it; ``None`` if a proxy between does not say.
    scheme: str | None
    #: As in the header Host, in lower case; ``None`` where no trusted proxy says it.
    host: str | None = None


class Proxies:
    """Sees clients through proxies.

    Args:
        trusted: Where the proxies are that are believed.
        reads_forwarded: Whether they set ``Forwarded``, and not ``X-Forwarded-*``. Never both are
            read: a proxy hands on, as the client sent it, what it does not set itself.
    """

    def __init__(self, trusted: Sequence[Network] = (), *, reads_forwarded: bool = False) -> None:
        self._trusted = tuple(trusted)
        self._hops = _forwarded if reads_forwarded else _x_forwarded
        self._is_trusted = lru_cache(_REMEMBERED)(self._judge)

    def client_of(self, request: web.Request) -> Client:
        """Return who sent a request."""
        peer = address_of(request.remote)
        client = Client(peer, request.scheme)
        if peer is None or not self._is_trusted(peer):
            return client
        for hop in self._hops(request):
            if hop.address is None:
                return client  # what nobody understands is not believed, nor what stands before it
            client = hop
            if not self._is_trusted(hop.address):
                break
        return client

    def _judge(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(_REMEMBERED)
def address_of(text: str | None) -> Address | None:
    """Return an address, without the port that may stand behind it; ``None`` if it is none."""
    if text is None:
        return None
    found = _IPV6_PORT.fullmatch(text) or _IPV4_PORT.fullmatch(text)
    try:
        address = ip_address(found[1] if found else text.partition("%")[0])
    except ValueError:
        return None
    # A socket that listens on :: shows clients of IPv4 like this.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _x_forwarded(request: web.Request) -> Iterator[Client]:
    """Give the hops, the nearest first."""
    headers = request.headers
    schemes = _elements(headers.getall("X-Forwarded-Proto", []))
    hosts = _elements(headers.getall("X-Forwarded-Host", []))
    # Those two are lists of one nearly everywhere; the last word is the nearest proxy's.
    scheme, host = _scheme(schemes[-1] if schemes else None), _host(hosts[-1] if hosts else None)
    for text in reversed(_elements(headers.getall("X-Forwarded-For", []))):
        yield Client(address_of(text), scheme, host)


def _forwarded(request: web.Request) -> Iterator[Client]:
    """Give the hops, the nearest first."""
    for element in reversed(_elements(request.headers.getall("Forwarded", []))):
        yield _hop(element)


def _hop(element: str) -> Client:
    pairs: dict[str, str] = {}
    for text in element.split(";"):
        found = _PAIR.fullmatch(text)
        if found is None or found[1].lower() in pairs:
            return Client(None, None)
        pairs[found[1].lower()] = found[2] if found[3] is None else found[3]
    return Client(
        address_of(pairs.get("for")), _scheme(pairs.get("proto")), _host(pairs.get("host"))
    )


def _elements(values: Sequence[str]) -> list[str]:
    """Return the elements of a list in a header, the last of them if there are too many."""
    return [text.strip() for text in ",".join(values).rsplit(",", _MAX_HOPS)[-_MAX_HOPS:] if text]


def _scheme(text: str | None) -> str | None:
    return text.lower() if text is not None and text.lower() in ("http", "https") else None


def _host(text: str | None) -> str | None:
    return text.lower() if text is not None and _HOST.fullmatch(text) else None
