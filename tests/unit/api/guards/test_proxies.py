# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Only proxies that are trusted say who a client is; of the list, only its end is theirs."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from deepaas.api.guards.proxies import Proxies, address_of

TRUSTED = tuple(ip_network(text) for text in ("10.0.0.0/8", "fd00::/8"))
PEER = "10.0.0.1"


def request_from(peer: str | None, *headers: tuple[str, str]) -> web.Request:
    transport = Mock()
    known: dict[str, Any] = {"peername": (peer, 1) if peer else None, "sslcontext": None}
    transport.get_extra_info = lambda name, default=None: known.get(name, default)
    return make_mocked_request("GET", "/", CIMultiDict(headers), transport=transport)


def seen(
    peer: str, *headers: tuple[str, str], reads_forwarded: bool = False
) -> tuple[str, str | None, str | None]:
    proxies = Proxies(TRUSTED, reads_forwarded=reads_forwarded)
    client = proxies.client_of(request_from(peer, *headers))
    return str(client.address), client.scheme, client.host


XFF = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("peer", "values", "expected"),
    [
        (PEER, ["203.0.113.7"], "203.0.113.7"),
        (PEER, ["203.0.113.7:4711"], "203.0.113.7"),
        (PEER, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (PEER, ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("fd00::5", ["203.0.113.7"], "203.0.113.7"),
        # What the client wrote stands before what proxies added.
        (PEER, ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (PEER, ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (PEER, ["10.9.9.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (PEER, ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # What nobody understands ends the list.
        (PEER, ["203.0.113.7, unknown"], PEER),
        (PEER, ["203.0.113.7, 10.0.0.2x, 10.0.0.3"], "10.0.0.3"),
        (PEER, ["203.0.113.7,, 10.0.0.2"], "203.0.113.7"),
        (PEER, ["\u0661.1.1.1"], PEER),
        (PEER, [""], PEER),
        (PEER, [], PEER),
        (PEER, [", ".join(["10.0.0.2"] * 5000)], "10.0.0.2"),
        # Who is not trusted says nothing.
        ("203.0.113.9", ["203.0.113.7"], "203.0.113.9"),
        ("2001:db8::9", ["203.0.113.7"], "2001:db8::9"),
    ],
)
def test_the_client_is_the_last_that_is_no_trusted_proxy(
    peer: str, values: Sequence[str], expected: str
) -> None:
    assert seen(peer, *((XFF, value) for value in values))[0] == expected


def test_a_spoofed_header_works_where_everybody_is_trusted() -> None:
    """What the check is good for: without it, a client has any address that it likes."""
    everybody = Proxies([ip_network("0.0.0.0/0")])
    request = request_from("203.0.113.9", (XFF, "8.8.8.8"))
    assert str(everybody.client_of(request).address) == "8.8.8.8"
    assert str(Proxies(TRUSTED).client_of(request).address) == "203.0.113.9"


@pytest.mark.parametrize(
    ("proto", "host", "expected"),
    [
        ("https", "Models.Example:8443", ("https", "models.example:8443")),
        ("http, HTTPS", "evil, models.example", ("https", "models.example")),
        ("javascript", "a/b", (None, None)),
        ("", "", (None, None)),
    ],
)
def test_scheme_and_name_are_those_of_the_nearest_proxy(
    proto: str, host: str, expected: tuple[str | None, str | None]
) -> None:
    headers = ((XFF, "203.0.113.7"), ("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host))
    assert seen(PEER, *headers)[1:] == expected
    assert seen("203.0.113.9", *headers)[1:] == ("http", None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["for=203.0.113.7"], ("203.0.113.7", None, None)),
        (
            ['For="[2001:db8::1]:4711";Proto=https;Host="models.example:1"'],
            ("2001:db8::1", "https", "models.example:1"),
        ),
        (["for=1.1.1.1, for=203.0.113.7;proto=https"], ("203.0.113.7", "https", None)),
        (["for=203.0.113.7", "for=10.0.0.2;host=in"], ("203.0.113.7", None, None)),
        (["for=10.0.0.2;proto=https"], ("10.0.0.2", "https", None)),
        (["for=unknown"], (PEER, "http", None)),
        (["for=_hidden, for=10.0.0.2"], ("10.0.0.2", None, None)),
        (["for=1.1.1.1;for=2.2.2.2"], (PEER, "http", None)),
        (['for="1.1.1.1'], (PEER, "http", None)),
        (["203.0.113.7"], (PEER, "http", None)),
        (["proto=https"], (PEER, "http", None)),
    ],
)
def test_forwarded_is_read_where_the_proxies_set_it(
    values: Sequence[str], expected: tuple[str, str | None, str | None]
) -> None:
    headers = [("Forwarded", value) for value in values]
    assert seen(PEER, *headers, (XFF, "6.6.6.6"), reads_forwarded=True) == expected
    assert seen(PEER, *headers)[0] == PEER


def test_a_client_that_is_gone_has_no_address() -> None:
    assert Proxies(TRUSTED).client_of(request_from(None)).address is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fe80::1%eth0", ip_address("fe80::1")),
        ("::ffff:1.2.3.4", ip_address("1.2.3.4")),
        ("[::1", None),
        ("1.2.3", None),
        ("01.2.3.4", None),
        (None, None),
    ],
)
def test_addresses(text: str | None, expected: object) -> None:
    assert address_of(text) == expected
