# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whose a token is, over real TLS: what proves nothing leads to no request to anybody else."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from deepaas.auth import Identity
from deepaas.auth.oidc import OidcTokens, open_token_source
from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import PAUSE_S, Issuer
from deepaas.auth.oidc.questions import KEPT_S
from deepaas.config.oidc import OidcSettings, UserinfoUse
from deepaas.errors import InvalidCredentials, IssuerUnavailable
from tests.authority import Authority
from tests.issuing import (
    AUDIENCE,
    CLIENT,
    DISCOVERY,
    INTROSPECTION,
    JWKS,
    USERINFO,
    FromNow,
    Held,
    PlayedIssuer,
    Stranger,
    answering,
    jwk,
    rsa_key,
    sign,
)
from tests.unit.auth.oidc.clock import Clock
from tests.unit.parts import until

ONE_FETCH = [DISCOVERY, JWKS]


@asynccontextmanager
async def opened(
    authority: Authority, *issuers: PlayedIssuer, **settings: Any
) -> AsyncIterator[OidcTokens]:
    given: dict[str, Any] = {
        "issuers": tuple(played.url for played in issuers),
        "audiences": (AUDIENCE,),
        "ca_file": authority.ca_file,
        **settings,
    }
    async with open_token_source(OidcSettings(**given)) as source:
        yield source


@asynccontextmanager
async def timed(
    authority: Authority, played: PlayedIssuer, clock: Clock
) -> AsyncIterator[OidcTokens]:
    """Open a source whose caches go by a clock of the test's."""
    settings = OidcSettings(issuers=(played.url,), audiences=(AUDIENCE,))
    async with IssuerClient(authority.ca_file) as client:
        issuer = Issuer(played.url, client, clock=clock)
        source = OidcTokens(settings, {played.url: issuer}, client, None, clock=clock)
        yield source
        await source.close()
        await issuer.close()


def forged(header: dict[str, Any], payload: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, payload))
    return b".".join([*(part.rstrip(b"=") for part in parts), b"c2lnbmF0dXJl"]).decode()


# Signed tokens


async def test_who_a_good_token_belongs_to(played: PlayedIssuer, authority: Authority) -> None:
    exp = int(time.time()) + 300
    async with opened(authority, played) as source:
        found = await source.identify(
            played.token(exp=exp, groups=["a"], eduperson_entitlement=["urn:x"])
        )
    assert found == Identity(
        f"ada@{played.url}",
        groups=frozenset({"a"}),
        entitlements=frozenset({"urn:x"}),
        expires=datetime.fromtimestamp(exp + 60, UTC),
    )
    assert played.requests == ONE_FETCH


async def test_an_issuer_counts_with_and_without_a_slash_at_its_end(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.says = {"issuer": played.url + "/"}
    async with opened(authority, played) as source:
        for iss in (played.url, played.url + "/"):
            found = await source.identify(played.token(iss=iss))
            assert found is not None
            assert found.name == f"ada@{played.url}/"


async def test_each_of_several_issuers_counts_with_its_own_keys(
    played: PlayedIssuer, authority: Authority
) -> None:
    with PlayedIssuer(authority) as other:
        other.keys = [jwk(rsa_key(1), "a")]
        async with opened(authority, played, other) as source:
            assert await source.identify(played.token())
            assert await source.identify(sign(rsa_key(1), other.claims()))
            with pytest.raises(InvalidCredentials, match="not signed with a key of its issuer"):
                await source.identify(played.token(iss=other.url))


async def test_what_proves_nothing_is_refused_and_nobody_else_is_asked(
    played: PlayedIssuer, authority: Authority, stranger: Stranger
) -> None:
    good = played.token()
    head, body, signature = good.split(".")
    wrong_key = {"alg": "RS256", "jku": stranger.url + JWKS, "x5u": stranger.url}
    refused = {
        "expired": played.token(exp=FromNow(-120)),
        "not yet valid": played.token(nbf=FromNow(120)),
        "wrong audience": played.token(aud="elsewhere"),
        "wrong issuer": played.token(iss=stranger.url),
        "wrong issuer that begins alike": played.token(iss=played.url + "/x"),
        "issuer with a user": played.token(iss=stranger.url.replace("//", "//localhost@")),
        "no issuer": played.token(iss=None),
        "alg none": forged({"alg": "none"}, played.claims()),
        "HS256": forged({"alg": "HS256", "kid": "a"}, played.claims()),
        "keys of its own choice": forged(wrong_key, played.claims()),
        "key in the header": sign(rsa_key(3), played.claims(), jwk=jwk(rsa_key(3), "a")),
        "unknown key": sign(rsa_key(), played.claims(), kid="unknown"),
        "key id that is a path": sign(rsa_key(), played.claims(), kid="../../etc/passwd"),
        "key of somebody else": sign(rsa_key(3), played.claims()),
        "truncated": good[:-20],
        "without its signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "1 MB": f"{head}.{'x' * 1_000_000}.{signature}",
        "two in one": f"{good}, {good}",
        "of no time": played.token(exp=1e300),
        "of nobody": played.token(sub=" " * 256),
    }
    async with opened(authority, played) as source:
        for name, token in refused.items():
            with pytest.raises(InvalidCredentials) as told:
                await source.identify(token)
            assert len(told.value.message) < 200, name
        # The source works, and one fetch was enough for all of them.
        assert await source.identify(good)
    assert played.requests == ONE_FETCH


async def test_an_opaque_token_is_nothing_for_this_source_unless_it_is_switched_on(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with opened(authority, played) as source:
        assert await source.identify("opaque") is None


async def test_the_variable_that_switches_flaat_off_switches_nothing_off(
    played: PlayedIssuer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTHENTICATION_AND_ASSUME_AUTHENTICATED", "AUTHORIZATION_AND_ASSUME_AUTHORIZED"):
        monkeypatch.setenv(f"DISABLE_{name}_USER", "YES")
    async with opened(authority, played, client_ids=("c",), client_secrets=("s",)) as source:
        for token in ("opaque", played.token(aud="elsewhere"), sign(rsa_key(3), played.claims())):
            with pytest.raises(InvalidCredentials):
                await source.identify(token)


# Keys change


async def test_a_new_key_is_known_when_it_is_first_used(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with timed(authority, played, clock) as source:
        assert await source.identify(played.token())
        clock.pass_by(PAUSE_S)
        played.keys.append(jwk(rsa_key(1), "b"))
        assert await source.identify(sign(rsa_key(1), played.claims(), kid="b"))
        # An issuer that names no keys: the signature tells.
        clock.pass_by(PAUSE_S)
        played.keys = [jwk(rsa_key(2), None)]
        assert await source.identify(sign(rsa_key(2), played.claims(), kid=None))
        with pytest.raises(InvalidCredentials):
            await source.identify(played.token())
    assert played.requests == ONE_FETCH * 3


async def test_keys_that_tokens_make_up_lead_to_few_requests(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with timed(authority, played, clock) as source:
        for number in range(50):
            with pytest.raises(InvalidCredentials):
                await source.identify(sign(rsa_key(3), played.claims(), kid=str(number)))
        assert played.requests == ONE_FETCH
        clock.pass_by(PAUSE_S)
        made_up = [sign(rsa_key(3), played.claims(), kid=str(number)) for number in range(50)]
        found = await asyncio.gather(*map(source.identify, made_up), return_exceptions=True)
        assert {type(each).__name__ for each in found} == {"WrongSignature"}
        assert played.requests == ONE_FETCH * 2


# Issuers that are slow, down, hostile


async def test_a_slow_issuer_delays_only_what_needs_it(
    played: PlayedIssuer, authority: Authority
) -> None:
    with PlayedIssuer(authority) as slow:
        slow.instead[DISCOVERY] = held = Held()
        async with opened(authority, played, slow) as source:
            waiting = asyncio.create_task(source.identify(slow.token()))
            await asyncio.to_thread(held.arrived.wait)
            # All of these are answered while it hangs.
            for _ in range(50):
                assert await source.identify(played.token())
            with pytest.raises(InvalidCredentials):
                await source.identify(played.token(aud="elsewhere"))
            assert not waiting.done()
            held.release()
            with pytest.raises(IssuerUnavailable):
                await waiting


async def test_while_an_issuer_is_down_its_tokens_are_good_if_its_keys_are_known(
    authority: Authority,
) -> None:
    clock = Clock()
    with PlayedIssuer(authority) as played:
        token = played.token()
        source = timed(authority, played, clock)
        opened_source = await source.__aenter__()
        assert await opened_source.identify(token)
    clock.pass_by(12 * 3600)
    assert await opened_source.identify(token)
    with pytest.raises(InvalidCredentials):
        await opened_source.identify(sign(rsa_key(1), played.claims(), kid="new"))
    clock.pass_by(13 * 3600)
    with pytest.raises(IssuerUnavailable):
        await opened_source.identify(token)
    await source.__aexit__(None, None, None)


async def test_an_issuer_that_says_it_is_another_signs_nobody_in(
    played: PlayedIssuer, authority: Authority, stranger: Stranger
) -> None:
    played.says = {"issuer": stranger.url, "jwks_uri": stranger.url + JWKS}
    async with opened(authority, played) as source:
        for iss in (played.url, stranger.url):
            with pytest.raises((InvalidCredentials, IssuerUnavailable)):
                await source.identify(played.token(iss=iss))


async def test_keys_on_another_host_are_not_asked_for(
    played: PlayedIssuer, authority: Authority, stranger: Stranger
) -> None:
    played.says = {"jwks_uri": stranger.url + JWKS}
    async with opened(authority, played) as source:
        with pytest.raises(InvalidCredentials, match="not signed with a key"):
            await source.identify(played.token())


async def test_a_set_of_keys_that_is_too_large_hurts_nobody_else(
    played: PlayedIssuer, authority: Authority
) -> None:
    with PlayedIssuer(authority) as hostile:
        hostile.keys = [jwk(rsa_key(), str(number)) for number in range(1000)]
        async with opened(authority, hostile, played) as source:
            with pytest.raises(IssuerUnavailable, match="more than"):
                await source.identify(hostile.token())
            assert await source.identify(played.token())


# Userinfo


async def test_what_a_token_does_not_say_userinfo_says_once(
    played: PlayedIssuer, authority: Authority
) -> None:
    token = played.token(groups=None)
    played.userinfo[token] = {"sub": "ada", "groups": ["a"], "entitlements": ["urn:x"]}
    async with opened(authority, played) as source:
        for _ in range(3):
            found = await source.identify(token)
            assert found is not None
            assert found.groups == {"a"}
            assert found.entitlements == {"urn:x"}
    assert played.requests == [*ONE_FETCH, USERINFO]


@pytest.mark.parametrize(
    ("use", "claim", "asked"),
    [
        (UserinfoUse.MISSING, [], False),
        (UserinfoUse.MISSING, None, True),
        (UserinfoUse.ALWAYS, ["a"], True),
        (UserinfoUse.NEVER, None, False),
    ],
)
async def test_when_userinfo_is_asked(
    use: UserinfoUse,
    claim: list[str] | None,
    asked: bool,
    played: PlayedIssuer,
    authority: Authority,
) -> None:
    token = played.token(groups=claim)
    played.userinfo[token] = {"sub": "ada", "groups": ["b"]}
    async with opened(authority, played, userinfo=use) as source:
        found = await source.identify(token)
    assert found is not None
    assert found.groups == {*(claim or ()), *(("b",) if asked else ())}
    assert (USERINFO in played.requests) is asked


async def test_userinfo_is_not_asked_with_a_token_that_is_not_valid(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with opened(authority, played) as source:
        with pytest.raises(InvalidCredentials):
            await source.identify(sign(rsa_key(3), played.claims(groups=None)))
    assert USERINFO not in played.requests


async def test_userinfo_that_does_not_know_the_token_adds_nothing(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with opened(authority, played) as source:
        found = await source.identify(played.token(groups=None))
    assert found is not None
    assert not found.groups


@pytest.mark.parametrize("says", [{"sub": "root"}, {"sub": None}, {}], ids=str)
async def test_userinfo_about_somebody_else_adds_nothing(
    says: dict[str, Any],
    played: PlayedIssuer,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = played.token(groups=None)
    played.userinfo[token] = {**says, "groups": ["admins"]}
    async with opened(authority, played) as source:
        found = await source.identify(token)
    assert found is not None
    assert found.name.startswith("ada@")
    assert not found.groups
    assert "somebody else" in caplog.text
    assert token not in caplog.text


async def test_a_token_is_not_judged_by_half_while_userinfo_is_down(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    token, new = played.token(groups=None), played.token(groups=None, jti="new")
    played.userinfo[token] = {"sub": "ada", "groups": ["a"]}
    async with timed(authority, played, clock) as source:
        before = await source.identify(token)
        played.instead[USERINFO] = answering({}, 503)
        clock.pass_by(KEPT_S)
        assert await source.identify(token) == before
        with pytest.raises(IssuerUnavailable):
            await source.identify(new)


# Opaque tokens


async def test_an_opaque_token_is_introspected_once(
    played: PlayedIssuer, authority: Authority
) -> None:
    exp = int(time.time()) + 300
    played.introspection["opaque"] = {"active": True, "sub": "ada", "aud": AUDIENCE, "exp": exp}
    played.userinfo["opaque"] = {"sub": "ada", "groups": ["a"]}
    ids, secrets = (CLIENT[0],), (CLIENT[1],)
    async with opened(authority, played, client_ids=ids, client_secrets=secrets) as source:
        found = await asyncio.gather(*(source.identify("opaque") for _ in range(5)))
    assert (
        found
        == [
            Identity(
                f"ada@{played.url}",
                groups=frozenset({"a"}),
                expires=datetime.fromtimestamp(exp + 60, UTC),
            )
        ]
        * 5
    )
    assert played.requests == [*ONE_FETCH, INTROSPECTION, USERINFO]


async def test_what_introspection_says_is_enough(
    played: PlayedIssuer, authority: Authority
) -> None:
    active = {"active": True, "client_id": "robot", "aud": AUDIENCE, "groups": ["a"]}
    played.introspection["opaque"] = active
    async with opened(authority, played, client_ids=("c",), client_secrets=("s",)) as source:
        assert await source.identify("opaque") == Identity(
            f"robot@{played.url}", groups=frozenset({"a"})
        )
    assert played.requests == [*ONE_FETCH, INTROSPECTION]


async def test_an_opaque_token_is_shown_to_userinfo_where_that_is_switched_on(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.userinfo["opaque"] = {"sub": "ada", "groups": ["a"]}
    async with opened(authority, played, audiences=(), opaque_userinfo=True) as source:
        assert await source.identify("opaque") == Identity(
            f"ada@{played.url}", groups=frozenset({"a"})
        )
        with pytest.raises(InvalidCredentials):
            await source.identify("unknown")


async def test_an_opaque_token_ends_although_its_answer_is_remembered(
    played: PlayedIssuer, authority: Authority
) -> None:
    # Later than a busy machine takes to ask once.
    ends = int(time.time()) + 5
    active = {"active": True, "sub": "ada", "aud": AUDIENCE, "exp": ends, "groups": []}
    played.introspection["opaque"] = active
    ids, secrets = (CLIENT[0],), (CLIENT[1],)
    async with opened(
        authority, played, client_ids=ids, client_secrets=secrets, clock_skew_s=0.0
    ) as source:
        assert await source.identify("opaque")

        async def is_over() -> bool:
            try:
                await source.identify("opaque")
            except InvalidCredentials as exc:
                return exc.message == "The token has expired."
            return False

        deadline = time.monotonic() + 30
        while not await is_over():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    assert played.requests.count(INTROSPECTION) == 1


# What is said of tokens


async def test_no_part_of_a_token_is_logged_or_told(
    played: PlayedIssuer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    played.instead[USERINFO] = answering({}, 500)
    tokens = [
        played.token(),
        played.token(groups=None),
        played.token(aud="elsewhere"),
        sign(rsa_key(3), played.claims()),
        "opaque-token-of-somebody",
    ]
    told = []
    async with opened(authority, played, client_ids=("c",), client_secrets=("s3cret",)) as source:
        for token in tokens:
            try:
                await source.identify(token)
            except (InvalidCredentials, IssuerUnavailable) as exc:
                told.append(exc.message)
    assert len(told) == 4
    text = caplog.text + " ".join(told)
    for token in tokens:
        assert not any(part in text for part in token.split("."))
    assert "s3cret" not in text


async def test_a_start_says_that_an_issuer_does_not_answer(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with PlayedIssuer(authority) as gone:
        pass
    async with opened(authority, gone):
        await until(lambda: gone.url in caplog.text)
