# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Each request is counted once, by what bounds how many numbers there are."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer

from deepaas.api.access import LOGGER, AccessLog
from deepaas.api.app import create_app
from deepaas.api.documents import about
from deepaas.api.keys import ApiSettings
from deepaas.api.routing import Route, add_routes
from deepaas.auth import Policy
from deepaas.cmd.http import listen
from deepaas.cmd.run import bind
from deepaas.config import load_settings
from deepaas.service import Service
from deepaas.service.traffic import GONE, PREDICT_ROUTE, Asked
from tests.unit.api.client import PREDICT, echo_client, opened
from tests.unit.parts import PATIENCE_S, echo_service, until

SECRET = "hunter2"


def counted(service: Service) -> dict[Asked, int]:
    return {asked: buckets.number for asked, buckets in service.traffic}


async def test_requests_are_counted_by_what_is_known(tmp_path: Path) -> None:
    """What a client makes up is counted together: models, paths, methods."""
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        for _ in range(2):
            assert (await client.post(PREDICT)).status == 200
        assert (await client.post(PREDICT, params={"number": "x"})).status == 422
        for name in ("one", "two"):
            assert (await client.get(f"/v2/models/{name}/")).status == 404
            assert (await client.get(f"/{name}")).status == 404
        assert (await client.request("PROPFIND", "/v2/")).status == 405
        assert (await client.head("/v2/")).status == 200
        assert counted(service) == {
            Asked("echo", PREDICT_ROUTE, "POST", "2xx"): 2,
            Asked("echo", PREDICT_ROUTE, "POST", "4xx"): 1,
            Asked("", "/v2/models/{model}/", "GET", "4xx"): 2,
            Asked("", "", "GET", "4xx"): 2,
            Asked("", "", "other", "4xx"): 1,
            Asked("", "/v2/", "HEAD", "2xx"): 1,
        }
        assert service.traffic.in_flight == 0


@asynccontextmanager
async def logged(tmp_path: Path, *options: str) -> AsyncIterator[tuple[Service, int]]:
    """Serve as the command does, with an access log; give the port."""
    settings = load_settings(["--listen-port=0", "--access-log", *options])
    async with echo_service(tmp_path) as service:
        with bind(settings) as sock:
            async with listen(service, settings, sock, asyncio.Event()):
                yield service, sock.getsockname()[1]


async def send(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


def written(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the facts in the lines of the access log."""
    names = ("action", "client", "method", "path", "status", "bytes")
    records = [vars(record) for record in caplog.records if record.name == LOGGER]
    assert all(0 <= record["duration_s"] < PATIENCE_S for record in records)
    return [{name: record[name] for name in names} for record in records]


async def test_an_answered_request_is_a_line_of_the_access_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its query, which may hold a secret."""
    caplog.set_level(logging.INFO)
    async with logged(tmp_path) as (_, port):
        ask = (
            f"POST {PREDICT}?text={SECRET} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await send(port, ask.encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert written(caplog) == [
        {
            "action": "request",
            "client": "127.0.0.1",
            "method": "POST",
            "path": PREDICT,
            "status": 200,
            "bytes": len(answer),
        }
    ]
    assert f"127.0.0.1 POST {PREDICT} 200, {len(answer)} bytes in 0." in caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    ("options", "client"),
    [((), "127.0.0.1"), (("--trusted-proxy=127.0.0.1",), "192.0.2.7")],
    ids=["anybody", "trusted proxy"],
)
async def test_a_line_names_the_client_that_a_trusted_proxy_speaks_for(
    options: Sequence[str], client: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with logged(tmp_path, *options) as (_, port):
        head = "GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        reader, writer = await send(port, f"{head}X-Forwarded-For: 192.0.2.7\r\n\r\n".encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert [line["client"] for line in written(caplog)] == [client]


async def test_what_is_no_request_is_a_line_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with logged(tmp_path) as (_, port):
        reader, writer = await send(port, b"nonsense\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert [line["status"] for line in written(caplog)] == [400]


async def test_a_client_that_leaves_is_counted_and_is_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, without a status."""
    caplog.set_level(logging.INFO)
    async with logged(tmp_path) as (service, port):
        body = "Content-Type: application/json\r\nContent-Length: 9"
        ask = f"POST {PREDICT} HTTP/1.1\r\nHost: 127.0.0.1\r\n{body}\r\n\r\n"
        _, writer = await send(port, ask.encode())
        await until(lambda: service.traffic.in_flight == 1)
        writer.close()
        await writer.wait_closed()
        await until(lambda: service.traffic.in_flight == 0)
        assert counted(service) == {Asked("echo", PREDICT_ROUTE, "POST", GONE): 1}
    (line,) = written(caplog)
    assert (line["status"], line["bytes"], line["path"]) == (None, 0, PREDICT)
    assert f"POST {PREDICT} gone, 0 bytes" in caplog.text


async def test_an_answer_that_breaks_off_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the server beneath tells of it too, as of an error."""
    caplog.set_level(logging.INFO, LOGGER)

    async def leave(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError

    async with echo_service(tmp_path) as service:
        app = create_app(service, ApiSettings(access_log=True))
        add_routes(app, [Route("GET", "/leave", leave, Policy.READ, about.LIVE)], "")
        server = TestServer(app)
        await server.start_server(access_log=logging.getLogger(LOGGER), access_log_class=AccessLog)
        async with TestClient(server) as client:
            with pytest.raises(ClientError):
                await client.get("/leave")
    assert [line["status"] for line in written(caplog)] == [None]


async def test_without_the_option_there_is_no_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with echo_service(tmp_path) as service:
        settings = load_settings(["--listen-port=0"])
        with bind(settings) as sock:
            async with listen(service, settings, sock, asyncio.Event()):
                ask = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                reader, writer = await send(sock.getsockname()[1], ask)
                assert b" 200 OK" in await reader.read()
                writer.close()
                await writer.wait_closed()
    assert written(caplog) == []


async def test_the_metrics_can_be_asked_for(tmp_path: Path) -> None:
    async with echo_client(tmp_path, base_path="/x") as client:
        response = await client.get("/x/metrics")
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert 'deepaas_model_ready{model="echo"} 1.0' in await response.text()
        wanted = {"Accept": "application/openmetrics-text"}
        response = await client.get("/x/metrics", headers=wanted)
        assert (await response.text()).endswith("# EOF\n")


async def test_the_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        app = create_app(service, ApiSettings(metrics_endpoint=False))
        async with opened(app) as client:
            assert (await client.get("/metrics")).status == 404
            document = await (await client.get("/openapi.json")).json()
            assert "/metrics" not in document["paths"]
