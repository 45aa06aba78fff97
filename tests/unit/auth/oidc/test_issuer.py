# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an issuer says is kept fresh, kept on while it is down, and asked for with measure."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deepaas.auth.oidc import issuer as issuer_module
from deepaas.auth.oidc.client import IssuerClient
from deepaas.auth.oidc.issuer import AGED_S, EXPIRED_S, FRESH_S, PAUSE_S, RETRY_S, Issuer
from deepaas.errors import IssuerUnavailable
from tests.authority import Authority
from tests.issuing import DISCOVERY, JWKS, Held, PlayedIssuer, answering, jwk, rsa_key
from tests.unit.auth.oidc.clock import Clock
from tests.unit.parts import until

ONE_FETCH = [DISCOVERY, JWKS]
#: Less than what is promised of any of these times.
MOMENT_S = 1.0


@asynccontextmanager
async def trusted(
    played: PlayedIssuer, authority: Authority, clock: Clock, request_s: float = 60.0
) -> AsyncIterator[Issuer]:
    async with IssuerClient(authority.ca_file, request_s=request_s) as client:
        issuer = Issuer(played.url, client, clock=clock)
        yield issuer
        await issuer.close()


def down(played: PlayedIssuer) -> None:
    played.instead[DISCOVERY] = answering({}, 503)


async def test_it_is_asked_once_by_all_who_need_it(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with trusted(played, authority, Clock()) as issuer:
        assert played.requests == []
        providers = await asyncio.gather(*(issuer.provider() for _ in range(20)))
        assert {id(provider) for provider in providers} == {id(providers[0])}
        await issuer.provider()
        assert played.requests == ONE_FETCH


async def test_it_can_be_asked_before_anybody_needs_it(
    played: PlayedIssuer, authority: Authority
) -> None:
    async with trusted(played, authority, Clock()) as issuer:
        issuer.start()
        await until(lambda: played.requests == ONE_FETCH)
        await issuer.provider()
        assert played.requests == ONE_FETCH


async def test_what_is_no_longer_fresh_is_used_while_it_is_fetched_anew(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        first = await issuer.provider()
        clock.pass_by(FRESH_S + MOMENT_S)
        played.instead[DISCOVERY] = held = Held()
        # Nobody waits for it: it does not answer.
        assert [await issuer.provider() for _ in range(3)] == [first] * 3
        await asyncio.to_thread(held.arrived.wait)
        assert played.requests == [*ONE_FETCH, DISCOVERY]
        held.release()


async def test_what_is_aged_is_waited_for(played: PlayedIssuer, authority: Authority) -> None:
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        first = await issuer.provider()
        played.keys = [jwk(rsa_key(1), "b")]
        clock.pass_by(AGED_S + MOMENT_S)
        second = await issuer.provider()
        assert first.keys.fitting("a", "RS256")
        assert not second.keys.fitting("a", "RS256")


async def test_while_it_is_down_what_it_said_is_used_for_a_day(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        first = await issuer.provider()
        down(played)
        clock.pass_by(EXPIRED_S - MOMENT_S)
        assert await issuer.provider() is first
        clock.pass_by(2 * MOMENT_S)
        with pytest.raises(IssuerUnavailable, match="status 503"):
            await issuer.provider()
        played.instead.clear()
        clock.pass_by(RETRY_S)
        assert await issuer.provider() is not first


async def test_one_that_is_down_is_not_asked_by_every_request(
    played: PlayedIssuer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    down(played)
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        for _ in range(3):
            for _ in range(5):
                with pytest.raises(IssuerUnavailable, match="status 503"):
                    await issuer.provider()
            clock.pass_by(RETRY_S)
        assert played.requests == [DISCOVERY] * 3
        played.instead.clear()
        await issuer.provider()
    assert [record.getMessage() for record in caplog.records] == [
        f"An issuer of tokens cannot be used: {played.url}{DISCOVERY} answered with status 503.",
        f"{played.url} answers again.",
    ]


async def test_a_slow_one_is_given_up(played: PlayedIssuer, authority: Authority) -> None:
    played.instead[JWKS] = held = Held()
    async with trusted(played, authority, Clock(), request_s=0.05) as issuer:
        with pytest.raises(IssuerUnavailable, match="did not answer within"):
            await issuer.provider()
        held.release()


async def test_keys_that_nobody_knows_are_asked_for_with_measure(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        await issuer.provider()
        assert await issuer.renewed() is None
        clock.pass_by(PAUSE_S)
        played.requests.clear()
        found = await asyncio.gather(*(issuer.renewed() for _ in range(20)))
        assert found == [await issuer.provider()] * 20
        assert await issuer.renewed() is None
        assert played.requests == ONE_FETCH


async def test_nothing_is_new_of_one_that_is_down(
    played: PlayedIssuer, authority: Authority
) -> None:
    clock = Clock()
    async with trusted(played, authority, clock) as issuer:
        first = await issuer.provider()
        clock.pass_by(PAUSE_S)
        down(played)
        assert await issuer.renewed() is None
        assert await issuer.provider() is first


async def test_who_leaves_ends_the_question_for_nobody_else(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead[DISCOVERY] = held = Held()
    async with trusted(played, authority, Clock()) as issuer:
        leaving, staying = (asyncio.create_task(issuer.provider()) for _ in range(2))
        await asyncio.to_thread(held.arrived.wait)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert not staying.done()
        held.release()
        with pytest.raises(IssuerUnavailable, match="status 503"):
            await staying


async def test_what_is_asked_when_all_ends_is_given_up(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead[DISCOVERY] = held = Held()
    async with trusted(played, authority, Clock()) as issuer:
        waiting = [asyncio.create_task(issuer.provider()), asyncio.create_task(issuer.renewed())]
        await asyncio.to_thread(held.arrived.wait)
        await issuer.close()
        with pytest.raises(IssuerUnavailable):
            await waiting[0]
        assert await waiting[1] is None
        with pytest.raises(IssuerUnavailable):
            await issuer.provider()
        held.release()


async def test_a_fault_of_ours_is_logged_and_hangs_nobody(
    played: PlayedIssuer,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*given: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(issuer_module, "fetch_provider", broken)
    async with trusted(played, authority, Clock()) as issuer:
        with pytest.raises(IssuerUnavailable, match="KeyError"):
            await issuer.provider()
    assert "Traceback" in caplog.text
