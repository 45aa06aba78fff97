# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a request, its answer is clear and carries its id."""

import logging
import random
import re
from pathlib import Path

import pytest
from aiohttp import ClientError, web

from deepaas.api.documents import about
from deepaas.api.guards import Guards
from deepaas.api.keys import AUTHENTICATOR, GUARDS, METER, PRINCIPAL, REQUEST_ID
from deepaas.api.metering import RequestMeter
from deepaas.api.middleware import HEADER, guard_requests
from deepaas.api.routing import ROWS, Route, add_routes
from deepaas.auth import NoSignIn, Policy
from deepaas.errors import ModelNotFound
from deepaas.model.registry import ModelRegistry
from deepaas.service import Traffic
from deepaas.telemetry import request_id
from tests.unit.api.client import Client, echo_client, opened, raw


async def fail(request: web.Request) -> web.Response:
    match request.match_info["how"]:
        case "bug":
            raise KeyError("/secret/path")
        case "ours":
            raise ModelNotFound("x")
        case "gone":
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        case "cut":
            raise ConnectionResetError("/secret/path")
        case "lost":
            raise web.HTTPGone
        case "missing":
            raise web.HTTPNotFound
        case "stream":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write_eof()
            return response  # type: ignore[return-value]
        case "halfway" | "halfway-ours":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"half")
            raise ModelNotFound("x") if "ours" in request.path else KeyError("/secret/path")
    logging.getLogger("test").info("handled")
    name = request[PRINCIPAL].name
    return web.Response(text=f"{request[REQUEST_ID]} {request_id.get()} {name}")


def application() -> web.Application:
    app = web.Application(middlewares=[guard_requests])
    app[AUTHENTICATOR] = NoSignIn()
    app[GUARDS] = Guards()
    add_routes(app, [Route("GET", "/{how}", fail, Policy.READ, about.LIVE)], "")
    rows = app[ROWS]
    app[METER] = RequestMeter(Traffic(), rows, ModelRegistry())
    return app


async def location(client: Client, method: str, path: str) -> str | None:
    """Return where a request is sent to."""
    answer = await raw(client, f"{method} {path} HTTP/1.1")
    assert (answer.status, answer.text) == (308, "")
    assert HEADER in answer.headers
    return answer.headers["Location"]


@pytest.mark.parametrize("path", ["/bug", "/cut"])
async def test_a_mistake_of_ours_shows_nothing(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does a connection of ours that was cut, while the client's is there."""
    async with opened(application()) as client:
        response = await client.get(path)
        assert response.status == 500
        assert await response.text() == "500: Internal Server Error"
        assert HEADER in response.headers
    assert "/secret/path" in caplog.text
    assert "A request failed" in caplog.text


async def test_a_client_that_is_gone_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(application()) as client:
        with pytest.raises(ClientError):
            await client.get("/gone")
    assert "A request failed" not in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/ours", 404, "404: Not Found"),
        ("/missing", 404, "404: Not Found"),
        ("/lost", 410, "410: Gone"),
    ],
)
async def test_an_answer_that_is_an_error(path: str, status: int, text: str) -> None:
    async with opened(application()) as client:
        response = await client.get(path)
        assert response.status == status
        assert response.content_type == "text/plain"
        assert await response.text() == text
        assert HEADER in response.headers


async def test_what_is_sent_in_pieces_is_left_as_it_is() -> None:
    async with opened(application()) as client:
        response = await client.get("/stream")
        assert response.status == 200
        assert HEADER not in response.headers


@pytest.mark.parametrize("path", ["/halfway", "/halfway-ours"])
async def test_an_error_within_an_answer_breaks_it_off(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A client neither takes it for the rest of the answer nor the answer for whole."""
    async with opened(application()) as client:
        answer = await raw(client, f"GET {path} HTTP/1.1")
        assert answer.status in (0, 200)
        assert answer.text.count("HTTP/1.1") == 0
        assert "0\r\n\r\n" not in answer.text
        assert "404" not in answer.text
        with pytest.raises(ClientError):
            await (await client.get(path)).read()
        assert (await client.get("/x")).status == 200
    assert "A request failed within its answer" in caplog.text


@pytest.mark.parametrize("given", ["1", "a-b_c.d:e/f", "~" * 128])
async def test_the_request_id_is_the_client_s(given: str) -> None:
    async with opened(application()) as client:
        response = await client.get("/x", headers={HEADER: given})
        assert response.headers[HEADER] == given
        assert await response.text() == f"{given} {given} None"
    assert request_id.get() == ""


@pytest.mark.parametrize("given", [None, "", "a b", "ü", "~" * 129, "a\tb"])
async def test_an_id_that_could_spoil_a_log_is_replaced(given: str | None) -> None:
    async with opened(application()) as client:
        headers = {} if given is None else {HEADER: given}
        first = await client.get("/x", headers=headers)
        second = await client.get("/x", headers=headers)
        ids = {first.headers[HEADER], second.headers[HEADER]}
        assert len(ids) == 2
        assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


async def test_a_model_that_seeds_python_s_generator_does_not_make_ids_repeat() -> None:
    async with opened(application()) as client:
        ids = set()
        for _ in range(2):
            random.seed(0)
            ids.add((await client.get("/x")).headers[HEADER])
        assert len(ids) == 2


async def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        for path in ("/nothing", "/nothing/", "/v2/model", "/v2/models/echo/none", "/v2//x"):
            response = await client.get(path, allow_redirects=False)
            assert response.status == 404, path
            assert await response.text() == "404: Not Found"
            assert response.content_type == "text/plain"


async def test_a_method_that_a_route_does_not_have(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.put("/v2/models/echo/train/")
        assert response.status == 405
        assert await response.text() == "405: Method Not Allowed"
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert response.content_type == "text/plain"
        assert HEADER in response.headers


MOVED = [
    ("GET", "/v2", "/v2/"),
    ("GET", "/v2/models", "/v2/models/"),
    ("POST", "/v2/models/echo/predict", "/v2/models/echo/predict/"),
    ("POST", "/v2/models/echo/train", "/v2/models/echo/train/"),
    ("GET", "//v2///models//", "/v2/models/"),
    ("GET", "///v2/models/echo", "/v2/models/echo/"),
    ("GET", "/v2//health/live", "/v2/health/live"),
    ("DELETE", "/v2/models/echo//train/1", "/v2/models/echo/train/1"),
    ("DELETE", "/v2/models", "/v2/models/"),
    ("GET", "/v2/models/%C3%A9%2F%20", "/v2/models/%C3%A9%2F%20/"),
]


@pytest.mark.parametrize("base_path", ["", "/x/y"])
async def test_slashes_are_appended_and_merged_and_the_query_kept(
    tmp_path: Path, base_path: str
) -> None:
    async with echo_client(tmp_path, base_path=base_path) as client:
        for method, path, where in MOVED:
            for query in ("", "?a=1&a=%20%2F&b=//x"):
                found = await location(client, method, f"{base_path}{path}{query}")
                assert found == f"{base_path}{where}{query}"


async def test_the_base_path_itself_needs_no_slash(tmp_path: Path) -> None:
    async with echo_client(tmp_path, base_path="/x") as client:
        for path in ("/x", "/x/"):
            response = await client.get(path, allow_redirects=False)
            assert response.status == 200
        assert await location(client, "GET", "//x") == "/x"
        assert (await client.get("/")).status == 404
        assert (await client.get("/v2/")).status == 404


async def test_a_redirected_call_arrives_with_its_body(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post("/v2/models/echo/predict", json={"text": "x"})
        assert (await response.json())["predictions"] == {"text": "x"}


async def test_nobody_is_sent_to_another_host(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        for path in ("//example.org/v2", "//example.org//", "/\\example.org/v2/models"):
            assert (await raw(client, f"GET {path} HTTP/1.1")).status == 404, path
