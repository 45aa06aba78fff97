# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An issuer is the one that was asked, and chooses no host for this server to ask."""

import logging
from typing import Any

import pytest

from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.provider import Provider, fetch_provider
from deepaas.errors import IssuerUnavailable
from tests.authority import Authority
from tests.issuing import DISCOVERY, JWKS, PlayedIssuer, Stranger, answering

ENDPOINTS = ["jwks_uri", "userinfo_endpoint", "introspection_endpoint"]


async def fetch(played: PlayedIssuer, authority: Authority, *hosts: str) -> Provider:
    async with IssuerClient(authority.ca_file) as client:
        return await fetch_provider(played.url, client, hosts)


async def test_what_an_issuer_says_of_itself(played: PlayedIssuer, authority: Authority) -> None:
    provider = await fetch(played, authority)
    assert provider.issuer == played.url
    assert provider.userinfo_url == played.url + "/userinfo"
    assert provider.introspection_url == played.url + "/introspect"
    assert len(provider.keys.fitting("a", "RS256")) == 1
    assert played.requests == [DISCOVERY, JWKS]


async def test_a_slash_at_the_end_is_a_part_of_its_name(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.says = {"issuer": played.url + "/"}
    assert (await fetch(played, authority)).issuer == played.url + "/"


async def test_an_issuer_may_have_a_path(authority: Authority) -> None:
    with PlayedIssuer(authority, "/realms/x") as played:
        assert (await fetch(played, authority)).issuer == played.url
        assert played.requests == [DISCOVERY, JWKS]


@pytest.mark.parametrize("issuer", ["https://elsewhere.example", None, 7, "", "x" * 100_000])
async def test_one_that_says_it_is_another_is_not_used(
    issuer: Any, played: PlayedIssuer, authority: Authority
) -> None:
    played.says = {"issuer": issuer}
    with pytest.raises(IssuerUnavailable, match="says that it is") as told:
        await fetch(played, authority)
    assert len(told.value.message) < 500
    assert played.requests == [DISCOVERY]


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_an_endpoint_on_another_host_is_not_asked(
    name: str,
    played: PlayedIssuer,
    authority: Authority,
    stranger: Stranger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    played.says = {name: stranger.url + "/x"}
    provider = await fetch(played, authority)
    assert "--auth-issuer-hosts" in caplog.text
    match name:
        case "jwks_uri":
            assert provider.keys.fitting(None, "RS256") == []
        case "userinfo_endpoint":
            assert provider.userinfo_url is None
        case _:
            assert provider.introspection_url is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://{host}/x",
        "ftp://{host}/x",
        "//{host}/x",
        "/x",
        "",
        7,
        "https://user@{host}/x",
        "https://:password@{host}/x",
        "https://{host}.example/x",
        "https://{host}@elsewhere.example/x",
        "https://elsewhere.example\\@{host}/x",
        "https://{host}/x y",
        "https://{host}/\n",
        "https://localhost:x/",
        "https://localhost/x",
        "https://[::1/x",
        "file:///etc/passwd",
    ],
)
async def test_an_odd_address_is_not_asked(
    endpoint: Any, played: PlayedIssuer, authority: Authority
) -> None:
    host = played.url.removeprefix("https://")
    given = endpoint.format(host=host) if isinstance(endpoint, str) else endpoint
    played.says = {"userinfo_endpoint": given}
    assert (await fetch(played, authority)).userinfo_url is None


async def test_a_host_may_be_allowed(
    played: PlayedIssuer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with PlayedIssuer(authority) as other:
        other.instead["/k"] = answering({"keys": played.keys})
        played.says = {
            "jwks_uri": other.url + "/k",
            "userinfo_endpoint": "https://a.example:443/u",
            "introspection_endpoint": "https://[2001:db8::1]:8443/i",
        }
        caplog.set_level(logging.WARNING)
        hosts = (other.url.removeprefix("https://"), "a.example", "[2001:db8::1]:8443")
        provider = await fetch(played, authority, *hosts)
        assert other.requests == ["/k"]
    assert len(provider.keys.fitting("a", "RS256")) == 1
    assert provider.userinfo_url == "https://a.example:443/u"
    assert provider.introspection_url == "https://[2001:db8::1]:8443/i"
    assert caplog.text == ""


async def test_an_issuer_need_not_have_everything(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead[DISCOVERY] = answering({"issuer": played.url})
    provider = await fetch(played, authority)
    assert (provider.userinfo_url, provider.introspection_url) == (None, None)
    assert provider.keys.fitting(None, "RS256") == []


async def test_keys_that_do_not_come_are_an_issuer_that_does_not_answer(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead[JWKS] = answering({}, 500)
    with pytest.raises(IssuerUnavailable, match="/jwks answered with status 500"):
        await fetch(played, authority)


async def test_an_issuer_on_this_machine_may_speak_plain_http(authority: Authority) -> None:
    with PlayedIssuer(None) as played:
        assert (await fetch(played, authority)).userinfo_url == played.url + "/userinfo"
