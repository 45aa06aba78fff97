# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Under which names the service lets itself be addressed.

A page whose name its owner lets point to 127.0.0.1 (DNS rebinding) is of one origin with the
service for a browser, which then refuses it nothing. What gives it away is its name; an address
points nowhere else, and is always accepted.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
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
    """

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
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
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1]
        is_named = host in self._allowed or name in self._allowed or name == "localhost"
        return is_named or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
