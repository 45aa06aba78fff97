# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Listening begins and ends with its block."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from deepaas.cmd.http import listen
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
