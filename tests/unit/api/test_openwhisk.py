# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An activation of OpenWhisk is a request to the service, under all that holds for requests."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientResponse
from multidict import MultiMapping

from deepaas.api import openwhisk
from deepaas.api.app import OPENWHISK_ROUTES, create_app
from deepaas.api.keys import ApiSettings
from deepaas.api.routing import ROWS
from deepaas.auth import Authenticator, NoSignIn, Policy, Principal
from deepaas.errors import Unauthenticated
from tests.unit.api.client import PREDICT, Client, opened
from tests.unit.parts import echo_service


@asynccontextmanager
async def action(
    folder: Path, authenticator: Authenticator | None = None, *, begun: bool = True
) -> AsyncIterator[Client]:
    """Serve the echo model as OpenWhisk would have it."""
    async with echo_service(folder) as service:
        app = create_app(service, ApiSettings("/base", openwhisk=True), authenticator)
        async with opened(app) as client:
            if begun:
                assert (await post(client, "/init", {})).status == 200
            yield client


async def post(client: Client, path: str, value: object) -> ClientResponse:
    return await client.post(path, json={"value": value})


async def activate(client: Client, parameters: Mapping[str, object]) -> Any:
    response = await post(client, "/run", parameters)
    assert response.status == 200, await response.text()
    return await response.json()


def raw(content: bytes, content_type: str, **more: str) -> dict[str, object]:
    """Return the parameters of a prediction by a raw web action."""
    return {
        "__ow_method": "post",
        "__ow_path": f"/base{PREDICT}",
        "__ow_headers": {"content-type": content_type, **more},
        "__ow_body": base64.b64encode(content).decode(),
    }


def predictions(answer: Any) -> Any:
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])["predictions"]


async def test_the_routes_are_there_only_for_openwhisk(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        app = create_app(service, ApiSettings())
        assert {row.path for row in app[ROWS].values()} & {"/init", "/run"} == set()
        app = create_app(service, ApiSettings("/base", openwhisk=True))
        found = [row for row in app[ROWS].values() if row in OPENWHISK_ROUTES]
    assert {(row.method, row.path, row.policy) for row in found} == {
        ("POST", "/init", Policy.PUBLIC),
        ("POST", "/run", Policy.PUBLIC),
    }


async def test_an_action_is_initialized_once(tmp_path: Path) -> None:
    async with action(tmp_path, begun=False) as client:
        early = await post(client, "/run", {})
        assert early.status == 403
        assert "POST /init comes first" in (await early.json())["error"]
        begun = await post(client, "/init", {"name": "x", "main": "main", "code": "", "env": {}})
        assert (begun.status, await begun.json()) == (200, {"ok": True})
        again = await post(client, "/init", {})
        assert (again.status, list(await again.json())) == (403, ["error"])


async def test_a_wrong_body_is_an_error_as_openwhisk_reads_it(tmp_path: Path) -> None:
    bodies = (b"", b"no JSON", b"[]", b"{}", b'{"value": []}', b"[" * 100_000)
    for path in ("/init", "/run"):
        folder = tmp_path / path[1:]
        folder.mkdir()
        async with action(folder, begun=path == "/run") as client:
            for body in bodies:
                response = await client.post(path, data=body)
                assert (response.status, list(await response.json())) == (400, ["error"])


async def test_a_json_body_is_answered_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with action(tmp_path) as client:
        answer = await activate(client, raw(b'{"text": "gr\\u00f6\\u00dfe"}', "application/json"))
    assert predictions(answer)["text"] == "größe"
    assert answer["headers"]["Content-Type"].startswith("application/json")
    assert "X-Request-ID" in answer["headers"]
    assert {name.lower() for name in answer["headers"]} & {"content-length", "connection"} == set()
    # Where the platform ends to read the log of the activation.
    printed = capsys.readouterr()
    for stream in (printed.out, printed.err):
        assert stream.splitlines().count("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX") == 1


async def test_bytes_go_both_ways_in_base64(tmp_path: Path) -> None:
    content = bytes(range(256))
    form = (
        b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.bin"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    async with action(tmp_path) as client:
        sent = raw(form, "multipart/form-data; boundary=x")
        assert (
            predictions(await activate(client, sent))["data"]["content"].encode("latin-1")
            == content
        )
        answer = await activate(client, raw(b"{}", "application/json", accept="image/png"))
    assert answer["headers"]["Content-Type"] == "image/png"
    assert base64.b64decode(answer["body"], validate=True)


async def test_text_goes_both_ways_as_it_is(tmp_path: Path) -> None:
    sent = {**raw(b"", "text/plain", accept="text/plain"), "__ow_body": "gr\u00f6\u00dfe"}
    async with action(tmp_path) as client:
        answer = await activate(client, sent)
    assert answer["headers"]["Content-Type"].startswith("text/plain")
    assert isinstance(answer["body"], str)


async def test_parameters_that_the_platform_made_become_a_query_or_json(tmp_path: Path) -> None:
    head = {"__ow_method": "post", "__ow_path": f"/base{PREDICT}"}
    async with action(tmp_path) as client:
        found = predictions(await activate(client, {**head, "text": "a b", "values": [1.5]}))
        assert (found["text"], found["values"]) == ("a b", [1.5])
        found = predictions(
            await activate(client, {**head, "__ow_query": "text=a%20b", "__ow_body": ""})
        )
        assert found["text"] == "a b"
        listed = {"__ow_path": "/base/v2/models/echo/jobs/", "limit": "nothing"}
        assert (await activate(client, listed))["statusCode"] == 422
        assert "text" not in predictions(await activate(client, {**head, "__ow_headers": None}))
        assert (await activate(client, {"__ow_path": "base/v2/"}))["statusCode"] == 200
        assert (await activate(client, {"__ow_path": None}))["statusCode"] == 404


async def test_a_path_reaches_the_service_as_it_is(tmp_path: Path) -> None:
    async with action(tmp_path) as client:
        for path in ("/base/v2/models/größe%20?x#y/", "/base/../../etc/passwd"):
            answer = await activate(client, {"__ow_path": path})
            assert answer["statusCode"] == 404


async def test_a_query_reaches_the_service_as_it_is(tmp_path: Path) -> None:
    head = {"__ow_method": "post", "__ow_path": f"/base{PREDICT}"}
    queries = {
        "text=a%20b+c": "a b c",
        "text=größe": "größe",
        "text=a b\r\nX: y\r\n\r\n": "a b\r\nX: y\r\n\r\n",
        "text=\0#?/%zz": "\0#?/%zz",
    }
    async with action(tmp_path) as client:
        for query, text in queries.items():
            answer = await activate(client, {**head, "__ow_query": query, "__ow_body": ""})
            assert predictions(answer)["text"] == text


async def test_an_activation_asks_for_no_other_one(tmp_path: Path) -> None:
    inner = {"__ow_path": "/base/v2/"}
    async with action(tmp_path) as client:
        for path in ("/run", "/%72un"):
            outer = {"__ow_method": "post", "__ow_path": path, "value": inner}
            answer = await activate(client, outer)
            assert answer["statusCode"] == 403
            assert json.loads(answer["body"]) == {
                "error": "An activation cannot ask for another one."
            }


async def test_wrong_parameters_are_an_error(tmp_path: Path) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"__ow_method": 1},
        {"__ow_method": "GET / HTTP/1.1\r\n"},
        {"__ow_headers": []},
        {"__ow_path": ["/"]},
        {"__ow_body": "?"},
        {"__ow_path": "/\ud800"},
        {"__ow_query": "\ud800"},
        {"__ow_headers": {"x": "a\r\nX-Evil: b"}},
        {"__ow_headers": {"x\r\nX-Evil": "b"}},
    )
    async with action(tmp_path) as client:
        for parameters in wrong:
            response = await post(client, "/run", parameters)
            assert (response.status, list(await response.json())) == (400, ["error"])


class NeedsKey(NoSignIn):
    """Lets in who has the one key."""

    async def authenticate(self, headers: "MultiMapping[str]") -> Principal:
        if headers.get("Authorization") != "Bearer right":
            raise Unauthenticated
        return await super().authenticate(headers)


async def test_an_activation_may_do_what_its_request_may(tmp_path: Path) -> None:
    async with action(tmp_path, NeedsKey()) as client:
        sent = raw(b"{}", "application/json")
        assert (await activate(client, sent))["statusCode"] == 401
        sent = raw(b"{}", "application/json", authorization="Bearer right")
        assert (await activate(client, sent))["statusCode"] == 200


async def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with action(tmp_path) as client:
        monkeypatch.setattr(openwhisk, "_MAX_BYTES", 200)
        response = await post(client, "/run", {"__ow_path": "x" * 300})
        assert "200" in (await response.json())["error"]
        response = await post(client, "/run", {"__ow_path": "/base/swagger.json"})
        assert (await response.json())["error"] == "The answer is larger than 200 bytes."


async def test_a_service_that_gives_no_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with action(tmp_path) as client:

        def broken(*args: object, **options: object) -> None:
            raise ClientConnectionError("/a/path")

        assert client.app is not None
        monkeypatch.setattr(client.app[openwhisk.ACTION].session, "request", broken)
        response = await post(client, "/run", {})
        assert (response.status, await response.json()) == (
            502,
            {"error": "The service gave no answer: ClientConnectionError."},
        )
