# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An answer is sent whole, in whatever form it came, and nothing of it stays."""

import os
import threading
from pathlib import Path

import pytest
from aiohttp import FormData, web

from deepaas.api.documents import about
from deepaas.api.guards import Guards
from deepaas.api.keys import AUTHENTICATOR, GUARDS, METER
from deepaas.api.metering import RequestMeter
from deepaas.api.middleware import guard_requests
from deepaas.api.routing import ROWS, Route, add_routes
from deepaas.api.v2.responses import json_response, send
from deepaas.auth import NoSignIn, Policy
from deepaas.execution.messages import memory_file
from deepaas.model.registry import ModelRegistry
from deepaas.service import Traffic
from deepaas.service.predictions import Prediction
from tests.unit.api.client import PREDICT, Client, echo_client, opened
from tests.unit.parts import open_fds, until


def sender(prediction: Prediction) -> web.Application:
    """Return an application that sends a prediction."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await send(request, prediction)

    app = web.Application(middlewares=[guard_requests])
    app[AUTHENTICATOR] = NoSignIn()
    app[GUARDS] = Guards()
    add_routes(app, [Route("GET", "/", handler, Policy.READ, about.LIVE)], "")
    rows = app[ROWS]
    app[METER] = RequestMeter(Traffic(), rows, ModelRegistry())
    return app


async def test_a_client_that_goes_away_leaves_no_descriptor() -> None:
    before = open_fds()
    read, write = os.pipe()
    async with opened(sender(Prediction("a/b", None, read, None))) as client:
        os.write(write, b"x")
        response = await client.get("/")
        assert await response.content.read(1) == b"x"
        response.close()
        os.write(write, bytes(60_000))
        os.close(write)
    assert open_fds() == before


async def test_a_pipe_is_sent_to_its_end() -> None:
    read, write = os.pipe()
    content = os.urandom(500_000)

    def feed() -> None:
        with open(write, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    async with opened(sender(Prediction("a/b", None, read, None))) as client:
        response = await client.get("/")
        assert await response.read() == content
        assert response.content_length is None
    thread.join()


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
async def test_a_descriptor_is_sent_from_its_start(size: int) -> None:
    before = open_fds()
    content = os.urandom(size)
    fd = memory_file(content)  # its offset is at the end
    async with opened(sender(Prediction("application/json", None, fd, "x.json"))) as client:
        response = await client.get("/", headers={"X-Request-ID": "r1"})
        assert await response.read() == content
        assert response.content_length == size
        assert response.headers["X-Request-ID"] == "r1"
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="x.json"'
    assert open_fds() == before


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("cat.png", 'filename="cat.png"'),
        ("a b.png", 'filename="a b.png"'),
        ('a"b\\.png', "filename=\"a_b_.png\"; filename*=UTF-8''a%22b%5C.png"),
        ("é.png", "filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"),
        ("a\r\nX: y", "filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("\udcff.png", "filename=\"_.png\"; filename*=UTF-8''%3F.png"),
    ],
)
async def test_a_name_cannot_break_its_header(name: str, disposition: str) -> None:
    async with opened(sender(Prediction("a/b", b"x", None, name))) as client:
        response = await client.get("/")
        assert response.headers["Content-Disposition"] == f"attachment; {disposition}"
        assert response.headers["Content-Type"] == "a/b"
        assert await response.read() == b"x"


async def test_what_the_model_returned_arrives(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        assert await accepted(client, "text/plain") == ("text/plain", b"as text")
        kind, body = await accepted(client, "image/png")
        assert (kind, len(body)) == ("image/png", 4 + 1024 * 1024)
        assert await accepted(client, "text/csv;q=0.1, text/plain") == ("text/plain", b"as text")


async def accepted(client: Client, accept: str) -> tuple[str, bytes]:
    response = await client.post(PREDICT, headers={"Accept": accept})
    assert response.status == 200
    return response.content_type, await response.read()


async def test_a_file_that_the_model_returned_arrives(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        await accepted(client, "text/plain")  # the connection stays
        before = open_fds()
        form = FormData()
        form.add_field("data", b"PK" * 100_000, filename="a.zip")
        form.add_field("text", "sørt.zip")
        response = await client.post(PREDICT, data=form, headers={"Accept": "application/zip"})
        assert response.status == 200, await response.text()
        assert response.content_type == "application/zip"
        assert await response.read() == b"PK" * 100_000
        assert "s%C3%B8rt.zip" in response.headers["Content-Disposition"]
        await until(lambda: open_fds() <= before)


def test_json_is_utf_8_and_may_have_a_status() -> None:
    response = json_response({"a": "é"}, status=503)
    assert response.status == 503
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.body == '{"a":"é"}'.encode()
