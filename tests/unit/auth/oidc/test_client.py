# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An issuer is asked over TLS, never for long and never for much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deepaas.auth.oidc.client import MOST_BYTES, IssuerClient
from deepaas.errors import ConfigurationError, IssuerUnavailable
from tests.authority import Authority
from tests.issuing import Held, PlayedIssuer, Stranger, answering, endless

SECRET = "Bearer not-to-be-seen"


@asynccontextmanager
async def connected(authority: Authority, request_s: float = 60.0) -> AsyncIterator[IssuerClient]:
    async with IssuerClient(authority.ca_file, request_s=request_s) as client:
        yield client


async def test_an_object_is_fetched(played: PlayedIssuer, authority: Authority) -> None:
    played.instead["/x"] = answering({"a": [1]})
    async with connected(authority) as client:
        assert await client.fetch(played.url + "/x") == {"a": [1]}


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_is_an_answer_unless_something_was_to_be_fetched(
    status: int, played: PlayedIssuer, authority: Authority
) -> None:
    played.instead["/x"] = answering({"error": "no"}, status)
    async with connected(authority) as client:
        answer = await client.ask("GET", played.url + "/x", authorization=SECRET)
        assert (answer.status, answer.content) == (status, {})
        with pytest.raises(IssuerUnavailable, match=f"/x answered with status {status}"):
            await client.fetch(played.url + "/x")


@pytest.mark.parametrize("status", [204, 408, 429, 500, 503])
async def test_other_statuses_say_that_it_cannot_be_asked(
    status: int, played: PlayedIssuer, authority: Authority
) -> None:
    played.instead["/x"] = answering({}, status)
    async with connected(authority) as client:
        with pytest.raises(IssuerUnavailable, match=f"/x answered with status {status}"):
            await client.ask("GET", played.url + "/x")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_nobody_is_asked_that_a_redirection_names(
    status: int, played: PlayedIssuer, authority: Authority, stranger: Stranger
) -> None:
    played.instead["/x"] = answering({}, status, {"Location": stranger.url})
    async with connected(authority) as client:
        with pytest.raises(IssuerUnavailable, match=f"status {status}"):
            await client.ask("GET", played.url + "/x", authorization=SECRET)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[1]", "no JSON object"),
        (b"{", "no JSON object"),
        (b"\xff", "no JSON object"),
        (b'{"a":' + b"[" * 100_000, "no JSON object"),
        (b" " * (MOST_BYTES + 1), f"more than {MOST_BYTES} bytes"),
    ],
    ids=["list", "broken", "bytes", "deep", "large"],
)
async def test_an_answer_that_cannot_be_used(
    body: bytes, what: str, played: PlayedIssuer, authority: Authority
) -> None:
    played.instead["/x"] = answering(body)
    async with connected(authority) as client:
        with pytest.raises(IssuerUnavailable, match=what):
            await client.ask("GET", played.url + "/x")


async def test_what_is_compressed_is_not_unpacked(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead["/x"] = answering(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    async with connected(authority) as client:
        with pytest.raises(IssuerUnavailable, match="no JSON object"):
            await client.ask("GET", played.url + "/x")


async def test_an_answer_without_end_ends(played: PlayedIssuer, authority: Authority) -> None:
    played.instead["/x"] = endless
    async with connected(authority) as client:
        with pytest.raises(IssuerUnavailable, match="more than"):
            await client.ask("GET", played.url + "/x")


async def test_an_answer_that_does_not_come(played: PlayedIssuer, authority: Authority) -> None:
    played.instead["/x"] = held = Held()
    async with connected(authority, 0.05) as client:
        with pytest.raises(IssuerUnavailable, match=r"/x did not answer within 0\.05 s"):
            await client.ask("GET", played.url + "/x", authorization=SECRET)
    held.release()


async def test_an_issuer_that_is_down(authority: Authority) -> None:
    with PlayedIssuer(authority) as gone:
        pass
    async with connected(authority) as client:
        with pytest.raises(
            IssuerUnavailable, match="cannot be asked: ClientConnectorError"
        ) as told:
            await client.ask("GET", gone.url, authorization=SECRET)
    assert "not-to-be-seen" not in told.value.message
    assert told.value.public_message.startswith("Who issued this token cannot be asked")


async def test_a_certificate_of_nobody_who_is_trusted(played: PlayedIssuer) -> None:
    async with IssuerClient() as client:
        with pytest.raises(IssuerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await client.ask("GET", played.url)
    assert played.requests == []


async def test_the_system_may_trust_the_authority(
    played: PlayedIssuer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    played.instead["/x"] = answering({})
    async with IssuerClient() as client:
        assert await client.fetch(played.url + "/x") == {}


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("x", "no certificates")])
async def test_authorities_that_cannot_be_read(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "authorities"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"authorities' cannot be used: .*{reason}"):
        async with IssuerClient(file):
            pass


async def test_those_that_wait_are_no_more_than_a_slow_issuer_can_serve(
    played: PlayedIssuer, authority: Authority
) -> None:
    played.instead["/slow"] = held = Held()
    played.instead["/quick"] = answering({})
    async with connected(authority) as client, asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.ask("GET", played.url + "/slow")) for _ in range(64)]
        await asyncio.to_thread(held.arrived.wait)
        with pytest.raises(IssuerUnavailable, match="too slow: 64 requests wait"):
            await client.ask("GET", played.url + "/slow")
        for task in waiting:
            task.cancel()
        held.release()
        await asyncio.wait(waiting)
        assert await client.fetch(played.url + "/quick") == {}
