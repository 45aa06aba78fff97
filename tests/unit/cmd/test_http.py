# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listening begins and ends with its block."""

import asyncio
import email
import logging
import re
import socket
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from deepaas.auth import Authenticator, NoSignIn
from deepaas.auth.access import AccessRules
from deepaas.auth.signin import SignIn
from deepaas.cmd.http import _connections, _ServerLog, _Site, listen
from deepaas.cmd.run import bind
from deepaas.config import load_settings
from tests.unit.parts import echo_service


async def test_a_socket_that_cannot_be_listened_on(tmp_path: Path) -> None:
    settings = load_settings([])
    async with echo_service(tmp_path) as service:
        sock = socket.socket()
        sock.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            async with listen(service, settings, sock, asyncio.Event()):
                pass


async def test_it_serves_inside_the_block_only(tmp_path: Path) -> None:
    settings = load_settings(["--listen-port=0", "--base-path=/x", "--client-max-size=5"])
    async with echo_service(tmp_path) as service, aiohttp.ClientSession() as client:
        with bind(settings) as sock:
            url = f"http://127.0.0.1:{sock.getsockname()[1]}/x/v2/models/echo/predict/"
            async with listen(service, settings, sock, asyncio.Event()):
                assert (await client.post(url)).status == 200
                assert (await client.post(url, json={"text": "x"})).status == 413
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.post(url)


#: What it says of itself is no HTTP, or no gzip; the rest of the latter is read after the answer.
MALFORMED = (
    b"GET / HTTP/1.1\r\nHost: x\r\ntoken hunter2\r\n\r\n",
    b"POST /v2/models/echo/predict/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\n"
    b"Content-Type: application/json\r\nContent-Length: 7\r\n\r\nhunter2",
)


@pytest.mark.parametrize("request_", MALFORMED, ids=["head", "body"])
async def test_a_malformed_request_is_one_line_of_the_log_without_what_it_held(
    request_: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(["--listen-port=0"])
    caplog.set_level(logging.INFO)
    async with echo_service(tmp_path) as service:
        with bind(settings) as sock:
            async with listen(service, settings, sock, asyncio.Event()):
                reader, writer = await asyncio.open_connection(*sock.getsockname()[:2])
                writer.write(request_)
                assert re.match(rb"HTTP/1\.[01] 400 ", await reader.read())
                writer.close()
                await writer.wait_closed()
    [record] = [each for each in caplog.records if each.name == "aiohttp.server"]
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert record.getMessage().startswith("A client's request is malformed: ")
    assert "hunter2" not in caplog.text


async def test_a_site_is_called_by_its_address() -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    with bind(load_settings(["--listen-port=0"])) as sock:
        site = _Site(runner, sock, Mock(), None, 0.0)
        assert site.name == str(sock.getsockname())
    await runner.cleanup()


@pytest.mark.parametrize(
    ("authenticator", "status", "challenge"),
    [
        (None, 431, None),
        (NoSignIn(), 431, None),
        (SignIn(AccessRules()), 401, 'Bearer realm="deepaas", error="invalid_token"'),
    ],
    ids=["nothing", "no sign-in", "sign-in"],
)
async def test_a_token_longer_than_a_header_may_be_is_no_valid_one(
    authenticator: Authenticator | None, status: int, challenge: str | None, tmp_path: Path
) -> None:
    settings = load_settings(["--listen-port=0"])
    async with echo_service(tmp_path) as service:
        with bind(settings) as sock:
            async with listen(service, settings, sock, asyncio.Event(), authenticator):
                reader, writer = await asyncio.open_connection(*sock.getsockname()[:2])
                token = b"x" * (settings.guards.header_max_bytes + 1)
                head = b"GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                writer.write(head + b"Authorization: Bearer " + token + b"\r\n\r\n")
                answer = await reader.read()
                writer.close()
                await writer.wait_closed()
    first, _, rest = answer.decode().partition("\r\n")
    assert first.split()[1] == str(status)
    assert email.message_from_string(rest)["WWW-Authenticate"] == challenge
    assert "xxx" not in rest


def test_other_errors_of_the_server_have_their_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = _ServerLog(logging.getLogger("aiohttp.server"))
    # As aiohttp calls it.
    log.exception("Unhandled %s", "exception", exc_info=ValueError("boom"))  # noqa: LOG004
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "Unhandled exception")
    assert "ValueError: boom" in caplog.text


async def test_a_client_that_leaves_within_an_answer_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        await response.write(b"y")
        raise AssertionError("it was told that nobody is there")

    settings = load_settings(["--listen-port=0"])
    app = web.Application()
    app.router.add_get("/", leave)
    runner = web.AppRunner(app)
    await runner.setup()
    with bind(settings) as sock:
        connections = _connections(runner, settings, signs_in=False)
        try:
            await _Site(runner, sock, connections, None, 0).start()
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        finally:
            await runner.cleanup()
    assert caplog.records == []
