# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The client takes the contract's answers, and makes of others one clear message."""

import json
from typing import Any

import pytest

from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.orchestrator import client as clients
from deepaas.orchestrator.client import OrchestratorClient, checked_url
from deepaas.orchestrator.tokens import GivenToken
from tests.service import free_port
from tests.unit.orchestrator.scripted import Said, scripted

ONE = {"uuid": "1", "status": "CREATE_COMPLETE"}
TWO = {"uuid": "2", "status": "CREATE_FAILED"}


def page(content: list[Any], number: int | None = None, pages: int = 2, href: str = "") -> Said:
    body: dict[str, Any] = {"content": content, "links": [{"rel": "self", "href": "x"}, 1]}
    if number is not None:
        body["page"] = {"number": number, "totalPages": pages, "size": 1, "totalElements": 2}
    if href:
        body["links"].append({"rel": "next", "href": href})
    return Said(json.dumps(body))


@pytest.mark.parametrize(
    "url", ["https://paas.example/orchestrator/", "http://127.0.0.1:8085", "http://localhost/x"]
)
def test_an_address_is_taken(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://paas.example", "https is needed"),
        ("http://10.0.0.1/", "https is needed"),
        ("ftp://x", "it must be one such as"),
        ("https://", "it must be one such as"),
        ("https://x:0", "it must be one such as"),
        ("https://x:port", "it must be one such as"),
        ("https://x/?a=1", "it must be one such as"),
        ("https://x/a b", "it must be one such as"),
        ("https://user:pw@x", "must hold no name or password"),
    ],
)
def test_another_address_is_refused(url: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        checked_url(url)
    assert "pw" not in raised.value.message


async def test_pages_are_followed_by_their_numbers() -> None:
    async with scripted(page([ONE], 0), page([TWO], 1)) as there:
        assert await there.client.list("me") == [ONE, TWO]
        assert there.asked == [
            "GET /paas/deployments?createdBy=me",
            "GET /paas/deployments?createdBy=me&page=1&size=1",
        ]
        assert set(there.headers) == {"Bearer token"}


async def test_pages_are_followed_by_links_and_to_no_other_host() -> None:
    evil = page([ONE], href="https://evil.example/deployments?page=1&size=9")
    async with scripted(evil, page([TWO])) as there:
        assert await there.client.list() == [ONE, TWO]
        assert there.asked[1] == "GET /paas/deployments?page=1&size=9"


async def test_a_list_without_an_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_MOST_PAGES", 2)
    async with scripted(page([ONE], 0, 9), page([ONE], 1, 9)) as there:
        with pytest.raises(RequestFailed, match="does not answer as an orchestrator does"):
            await there.client.list()
    async with scripted(page([], 0, 9)) as there:
        assert await there.client.list() == []


async def test_what_is_asked_for_comes_back() -> None:
    answers = (Said(json.dumps(ONE), 201), Said(json.dumps(ONE)), Said("", 202), Said("", 204))
    async with scripted(*answers, Said("a: 1"), Said("log\xff".encode("latin-1"))) as there:
        assert await there.client.create({"template": "a"}) == ONE
        assert await there.client.show("a/b") == ONE
        await there.client.update("1", {})
        await there.client.delete("1")
        assert await there.client.template("1") == "a: 1"
        assert await there.client.log("1") == "log\ufffd"
        assert there.asked == [
            *("POST /paas/deployments", "GET /paas/deployments/a%2Fb"),
            *("PUT /paas/deployments/1", "DELETE /paas/deployments/1"),
            *("GET /paas/deployments/1/template", "GET /paas/deployments/1/log"),
        ]


async def test_a_request_that_met_another_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_PAUSE_S", 0.001)
    again = Said(
        '{"code": 409, "title": "Conflict", "message": "later"}', 409, {"Retry-After": "0"}
    )
    async with scripted(again, again, Said("", 204)) as there:
        await there.client.delete("1")
        assert len(there.asked) == 3
    async with scripted(*[again] * 9) as there:
        with pytest.raises(RequestFailed, match=r"409 Conflict\. later\."):
            await there.client.delete("1")
        assert len(there.asked) == 5


async def test_a_conflict_that_will_not_pass_is_told_at_once() -> None:
    async with scripted(Said("{}", 409)) as there:
        with pytest.raises(RequestFailed) as raised:
            await there.client.delete("1")
        assert raised.value.status == 409
        assert len(there.asked) == 1


@pytest.mark.parametrize(("text", "pause_s"), [("3", 3.0), ("Wed, 21 Oct", 0.0), (None, None)])
def test_a_date_to_come_again_is_soon(text: str | None, pause_s: float | None) -> None:
    assert clients._seconds(text) == pause_s


@pytest.mark.parametrize(
    "said",
    [
        Said("no json"),
        Said("[" * 100_000),
        Said("[]"),
        Said("{}"),
        Said('{"uuid": 1, "status": "x"}'),
        Said('{"content": 1}'),
        Said('{"content": [1]}'),
    ],
)
async def test_what_is_no_answer_of_an_orchestrator_is_said(said: Said) -> None:
    async with scripted(said, said) as there:
        with pytest.raises(RequestFailed, match=r"answers? "):
            await (there.client.list() if "content" in str(said.body) else there.client.show("1"))


async def test_an_answer_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_MOST_BYTES", 10)
    async with scripted(Said("x" * 11)) as there:
        with pytest.raises(RequestFailed, match="does not answer as an orchestrator"):
            await there.client.log("1")


async def test_a_redirection_is_told_and_not_followed() -> None:
    async with scripted(Said("", 302, {"Location": "https://evil.example/"})) as there:
        with pytest.raises(RequestFailed, match=r"redirects to https://evil\.example/"):
            await there.client.show("1")
        assert len(there.asked) == 1


async def test_an_orchestrator_that_is_not_there_is_said() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with OrchestratorClient(url, GivenToken("test", "token")) as client:
        with pytest.raises(RequestFailed, match="cannot be reached") as raised:
            await client.show("1")
        assert raised.value.may_pass
        with pytest.raises(RequestFailed, match="Look with `deepaas orchestrator list` what"):
            await client.create({})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            401,
            '{"error": "invalid_token", "error_description": "Expired."}',
            "401 invalid_token. Expired. The token is missing, wrong or has run out",
        ),
        (
            403,
            '{"code": 403, "title": "Forbidden", "message": "Only the owner"}',
            "403 Forbidden. Only the owner. The token does not allow that",
        ),
        (
            400,
            '{"title": "Bad Request", "message": "QCG deployments cannot be updated."}',
            "QCG deployments cannot be updated. Use `deepaas orchestrator redeploy`",
        ),
        (409, '{"message": "Already in DELETE_IN_PROGRESS state."}', "Wait until it has settled"),
        (
            404,
            '{"code": 404, "title": "Not Found", "message": null}',
            "404 Not Found. `deepaas orch",
        ),
        (500, "<html>", "500 Internal Server Error."),
        (502, "[1]", "502 Bad Gateway."),
    ],
)
async def test_both_shapes_of_errors_become_one_message(status: int, body: str, said: str) -> None:
    async with scripted(Said(body, status)) as there:
        with pytest.raises(RequestFailed) as raised:
            await there.client.show("1")
        assert said in raised.value.message
        assert raised.value.message.startswith(f"GET {there.url}/deployments/1: {status} ")
