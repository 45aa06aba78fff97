# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Under which names the service lets itself be addressed.

A page whose name its owner lets point to 127.0.0.1 (DNS rebinding) is of one origin with the
service for a browser, which then refuses it nothing. What gives it away is its name.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from deepaas.errors import Forbidden, InvalidInput

_REMEMBERED: Final = 256
#: An address of IPv6 stands in brackets (RFC 3986, section 3.2.2).
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(:\d*)?", re.ASCII)


class Hosts:
    """Checks the header Host.

    Args:
        allowed: Names in lower case; one with a port counts with that port only.
        on_loopback: Whether nobody else reaches the service but this machine, which has no other
            names then; otherwise any address is accepted too: an address points nowhere else.
    """

    def __init__(self, allowed: frozenset[str], *, on_loopback: bool) -> None:
        self._allowed = allowed
        self._on_loopback = on_loopback
        self._is_allowed = lru_cache(_REMEMBERED)(self._judge)

    def check(self, request: web.Request) -> None:
        """Refuse what is addressed to another name.

        Raises:
            Forbidden: It is; the message names the option.
            InvalidInput: HTTP/1.1 demands the header (RFC 9112, section 3.2).
        """
        host = request.headers.get(hdrs.HOST)
        if host is None:
            if request.version >= HttpVersion11:
                raise InvalidInput("The header Host is missing.")
        elif not self._is_allowed(host):
            raise Forbidden(
                f"This service is not to be addressed as {host[:100]!r}; --allowed-host names"
                " what it may be called, by a proxy for example."
            )

    def _judge(self, host: str) -> bool:
        host = host.lower()
        name, address = _split(host)
        if host in self._allowed or name in self._allowed or name == "localhost":
            return True
        return address is not None and (address.is_loopback or not self._on_loopback)


def _split(host: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    """Return a host without its port, and what it is if it is an address."""
    found = _HOST.fullmatch(host)
    if found is None:
        return "", None
    try:
        return found[1], ip_address(found[1].strip("[]"))
    except ValueError:
        return found[1], None
