# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins change nothing; programs that are no browsers never notice."""

import ssl
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from deepaas.api.guards.origins import Cors, Origins
from deepaas.api.guards.proxies import Proxies
from deepaas.errors import Forbidden

PROXY = "10.0.0.1"
PROXIES = Proxies([ip_network(PROXY)])
SITE = "Sec-Fetch-Site"


def request_with(
    headers: Mapping[str, str], *, method: str = "POST", tls: bool = False, peer: str = "127.0.0.1"
) -> web.Request:
    transport = Mock()
    context = ssl.create_default_context() if tls else None
    known: dict[str, Any] = {"peername": (peer, 1), "sslcontext": context}
    transport.get_extra_info = lambda name, default=None: known.get(name, default)
    given = {"Host": "127.0.0.1:5000", **headers}
    return make_mocked_request(method, "/", given, transport=transport, sslcontext=context)


def is_refused(request: web.Request, *allowed: str) -> bool:
    try:
        Origins(frozenset(allowed), PROXIES).check(request)
    except Forbidden as exc:
        return "--allowed-origin" in exc.message
    return False


EVIL = {"Origin": "https://evil.example"}


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "FROB"])
@pytest.mark.parametrize(
    "headers",
    [
        {**EVIL, SITE: "cross-site"},
        {**EVIL, SITE: "same-site"},
        {SITE: "cross-site"},
        {**EVIL, SITE: "whatever"},
        {"Origin": "null"},
        {"Origin": "null", SITE: "cross-site"},
        EVIL,
        {"Origin": "http://127.0.0.1:5001"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:5000"},
        {"Origin": "http://127.0.0.1:5000.evil.example"},
        {"Origin": "ftp://127.0.0.1:5000"},
        {"Origin": "http://127.0.0.1:5000", SITE: "cross-site"},
        {**EVIL, "X-Forwarded-Host": "evil.example"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(method: str, headers: dict[str, str]) -> None:
    assert is_refused(request_with(headers, method=method))


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl, requests, the front ends that call from a server
        {SITE: "none"},
        {SITE: "same-origin", "Origin": "http://127.0.0.1:5000"},
        {SITE: "same-origin", "Origin": "https://models.example"},  # a proxy that sets Host
        {"Origin": "http://127.0.0.1:5000"},
        {"Origin": "HTTP://127.0.0.1:5000"},
        {"Origin": "https://127.0.0.1:5000"},  # a proxy that takes TLS off
        {"Origin": "http://models.example", "Host": "models.example:80"},
        {"Origin": "https://models.example", "Host": "Models.example:443"},
        {"Origin": "http://[::1]:5000", "Host": "[::1]:5000"},
    ],
)
def test_its_own_pages_and_other_programs_may(headers: dict[str, str]) -> None:
    assert not is_refused(request_with(headers))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_is_for_everybody(method: str) -> None:
    assert not is_refused(request_with({**EVIL, SITE: "cross-site"}, method=method))


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_an_origin_that_is_named_may(site: str | None) -> None:
    headers = {**EVIL, SITE: site} if site else EVIL
    assert not is_refused(request_with(headers), "https://evil.example")
    assert is_refused(request_with(headers), "https://other.example")


def test_over_tls_a_page_without_is_another_origin() -> None:
    headers = {"Host": "models.example", "Origin": "http://models.example"}
    assert is_refused(request_with(headers, tls=True))
    assert not is_refused(request_with({**headers, "Origin": "https://models.example"}, tls=True))


def test_a_trusted_proxy_says_under_which_name_a_browser_came() -> None:
    headers = {
        "Origin": "https://models.example",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Host": "models.example",
        "X-Forwarded-Proto": "https",
    }
    assert not is_refused(request_with(headers, peer=PROXY))
    assert is_refused(request_with(headers, peer="10.0.0.2"))
    assert is_refused(request_with({**headers, "Origin": "http://models.example"}, peer=PROXY))


# CORS

ALLOWED = "https://portal.example"


def readable(headers: Mapping[str, str], *allowed: str) -> Mapping[str, str]:
    return Cors(frozenset(allowed)).headers_for(request_with(headers))


def test_only_named_origins_read_answers() -> None:
    found = readable({"Origin": ALLOWED}, ALLOWED)
    assert found["Access-Control-Allow-Origin"] == ALLOWED
    assert found["Vary"] == "Origin"
    assert "X-Model-Version" in found["Access-Control-Expose-Headers"]
    for headers in (EVIL, {}, {"Origin": "null"}):
        assert readable(headers, ALLOWED) == {"Vary": "Origin"}


def test_any_origin_reads_and_none_with_credentials() -> None:
    for headers in (EVIL, {}):
        found = readable(headers, "*")
        assert found["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in found


def preflight(*allowed: str, **headers: str) -> Mapping[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = request_with(named, method="OPTIONS")
    return Cors(frozenset(allowed)).preflight_headers(request, "OPTIONS, POST")


@pytest.mark.parametrize("allowed", [ALLOWED, "*"])
def test_a_preflight_is_told_methods_and_headers(allowed: str) -> None:
    names = "authorization, x-api-key, idempotency-key, prefer, content-type"
    assert preflight(
        allowed,
        Origin=ALLOWED,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=names,
    ) == {
        "Access-Control-Allow-Methods": "OPTIONS, POST",
        "Access-Control-Allow-Headers": names,
        "Access-Control-Max-Age": "600",
    }


def test_a_preflight_of_others_is_told_nothing() -> None:
    assert preflight(ALLOWED, Origin="null", Access_Control_Request_Method="POST") == {}
    assert preflight(ALLOWED, Access_Control_Request_Method="POST") == {}
    assert preflight(ALLOWED, Origin=ALLOWED) == {}


@pytest.mark.parametrize("names", ["a\x00b", "x" * 2001, "ü", "a;b"])
def test_a_preflight_is_told_nothing_that_is_no_list_of_names(names: str) -> None:
    assert "Access-Control-Allow-Headers" not in preflight(
        "*",
        Origin=ALLOWED,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=names,
    )
