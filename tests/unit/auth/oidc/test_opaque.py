# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a token does not say itself, its issuer is asked: the right one, and no other believed."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import Issuer
from deepaas.auth.oidc.opaque import (
    Asked,
    OpaqueTokens,
    ask_userinfo,
    client_authorization,
    owner_of,
)
from deepaas.errors import InvalidCredentials, IssuerUnavailable
from tests.authority import Authority
from tests.issuing import (
    AUDIENCE,
    CLIENT,
    INTROSPECTION,
    JWKS,
    USERINFO,
    FromNow,
    Held,
    PlayedIssuer,
    answering,
    at_present,
)

TOKEN = "opaque"
ACTIVE = {"active": True, "sub": "ada", "aud": AUDIENCE, "exp": FromNow(300)}


def active(**changes: Any) -> dict[str, Any]:
    """Return what introspection says of a good token, changed."""
    return at_present({**ACTIVE, **changes})


@asynccontextmanager
async def asking(
    authority: Authority,
    *introspecting: PlayedIssuer,
    userinfo: Sequence[PlayedIssuer] = (),
    audiences: tuple[str, ...] = (AUDIENCE,),
) -> AsyncIterator[OpaqueTokens]:
    async with IssuerClient(authority.ca_file) as client:
        header = client_authorization(*CLIENT)
        asked = [
            *(Asked(Issuer(played.url, client), header) for played in introspecting),
            *(Asked(Issuer(played.url, client), "") for played in userinfo),
        ]
        yield OpaqueTokens(asked, client, audiences=audiences, skew_s=60.0)
        for each in asked:
            await each.issuer.close()


async def test_introspection_is_asked_by_a_client(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.introspection[TOKEN] = active(token_type="Bearer", iss=played.url)
    async with asking(authority, played) as opaque:
        attested = await opaque.attest(TOKEN)
    assert attested.claims["sub"] == "ada"
    assert attested.provider.issuer == played.url
    assert not attested.is_userinfo
    assert played.requests[-1] == INTROSPECTION
    kind, _, pair = str(played.authorizations[-1]).partition(" ")
    assert (kind, base64.b64decode(pair)) == ("Basic", b"client:it%27s%3Asecret")


async def test_userinfo_is_asked_with_the_token(played: PlayedIssuer, authority: Authority) -> None:
    played.userinfo[TOKEN] = {"sub": "ada", "groups": ["a"]}
    async with asking(authority, userinfo=[played]) as opaque:
        attested = await opaque.attest(TOKEN)
    assert attested.claims["groups"] == ["a"]
    assert attested.is_userinfo
    assert played.authorizations[-1] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "changes",
    [
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"active": False},
        {"exp": FromNow(-120)},
        {"exp": "soon"},
        {"nbf": FromNow(120)},
        {"aud": "elsewhere"},
        {"aud": None},
        {"aud": [7, "elsewhere"]},
        {"iss": "https://elsewhere.example"},
        {"iss": 7},
        {"token_type": "DPoP"},
        {"token_type": 7},
        {"cnf": {"x5t#S256": "x"}},
        {"typ": "Refresh"},
    ],
    ids=str,
)
async def test_what_is_reported_and_does_not_count(
    changes: dict[str, Any], played: PlayedIssuer, authority: Authority
) -> None:
    played.introspection[TOKEN] = active(**changes)
    async with asking(authority, played) as opaque:
        with pytest.raises(InvalidCredentials) as told:
            await opaque.attest(TOKEN)
    assert TOKEN not in told.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": FromNow(-30)},
        {"exp": None},
        {"nbf": FromNow(30)},
        {"aud": ["elsewhere", AUDIENCE]},
        {"token_type": "bearer"},
    ],
    ids=str,
)
async def test_what_is_reported_and_counts(
    changes: dict[str, Any], played: PlayedIssuer, authority: Authority
) -> None:
    played.introspection[TOKEN] = active(**changes)
    async with asking(authority, played) as opaque:
        assert (await opaque.attest(TOKEN)).claims["sub"] == "ada"


async def test_without_an_audience_any_will_do(played: PlayedIssuer, authority: Authority) -> None:
    played.introspection[TOKEN] = active(aud="elsewhere")
    async with asking(authority, played, audiences=()) as opaque:
        assert (await opaque.attest(TOKEN)).claims["sub"] == "ada"


async def test_all_are_asked_and_the_one_that_knows_it_counts(
    played: PlayedIssuer, authority: Authority
) -> None:
    with PlayedIssuer(authority) as other, PlayedIssuer(authority) as gone:
        pass
    with PlayedIssuer(authority) as other:
        other.introspection[TOKEN] = active()
        async with asking(authority, played, other, gone) as opaque:
            assert (await opaque.attest(TOKEN)).provider.issuer == other.url


async def test_nobody_waits_for_a_slow_one_once_another_knows_it(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead[JWKS] = held = Held()
    with PlayedIssuer(authority) as other:
        other.introspection[TOKEN] = active()
        async with asking(authority, played, other) as opaque:
            assert (await opaque.attest(TOKEN)).provider.issuer == other.url
        held.release()


async def test_a_token_that_nobody_knows_is_refused_only_if_all_could_be_asked(
    played: PlayedIssuer, authority: Authority
) -> None:
    with PlayedIssuer(authority) as gone:
        pass
    async with asking(authority, played) as opaque:
        with pytest.raises(InvalidCredentials, match="No trusted issuer knows the token"):
            await opaque.attest(TOKEN)
    async with asking(authority, played, gone) as opaque:
        with pytest.raises(IssuerUnavailable):
            await opaque.attest(TOKEN)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_client_that_is_refused_is_a_fault_of_the_service(
    status: int, played: PlayedIssuer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    played.instead[INTROSPECTION] = answering({"error": "invalid_client"}, status)
    async with asking(authority, played) as opaque:
        with pytest.raises(IssuerUnavailable, match="refuses the client"):
            await opaque.attest(TOKEN)
    assert "--auth-client-id" in caplog.text
    assert "secret" not in caplog.text


async def test_an_issuer_without_introspection_cannot_be_asked(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.says = {"introspection_endpoint": None}
    async with asking(authority, played) as opaque:
        with pytest.raises(IssuerUnavailable, match="has no introspection"):
            await opaque.attest(TOKEN)


async def test_without_userinfo_nothing_is_known(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with IssuerClient(authority.ca_file) as client:
        assert await ask_userinfo(client, None, TOKEN) is None
        assert await ask_userinfo(client, played.url + USERINFO, TOKEN) is None


async def test_whoever_leaves_ends_the_requests(played: PlayedIssuer, authority: Authority) -> None:
    played.instead[INTROSPECTION] = held = Held()
    async with asking(authority, played) as opaque:
        asking_now = asyncio.create_task(opaque.attest(TOKEN))
        await asyncio.to_thread(held.arrived.wait)
        asking_now.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking_now
    held.release()


@pytest.mark.parametrize(
    ("claims", "owner"),
    [
        ({"sub": "ada", "client_id": "c"}, "ada"),
        ({"sub": None, "client_id": "c"}, "c"),
        ({"client_id": "c"}, "c"),
    ],
)
def test_whose_a_token_is(claims: dict[str, Any], owner: str) -> None:
    assert owner_of(claims) == owner


@pytest.mark.parametrize("claims", [{}, {"sub": "", "client_id": "c"}, {"client_id": 7}])
def test_a_token_of_nobody(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidCredentials):
        owner_of(claims)
