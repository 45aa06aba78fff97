# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whoever is told slowly holds nobody up."""

import asyncio

import pytest
from aiohttp import web

from deepaas.orchestrator.local import callbacks
from deepaas.orchestrator.local.callbacks import Callbacks


async def test_an_address_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_LIMIT_S", 0.2)
    monkeypatch.setattr(callbacks, "_MOST_WAITING", 1)
    asked, asked_enough = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        asked.set()
        await asked_enough.wait()
        raise AssertionError

    app = web.Application()
    app.router.add_post("/", hang)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        telling = Callbacks()
        telling.post(url, {"n": 1})
        await asked.wait()
        telling.post(url, {"n": 2})
        telling.post(url, {"n": 3})  # is dropped
        await telling.close()
        assert telling._tasks == {}
    finally:
        asked_enough.set()
        await runner.cleanup()


async def test_who_tells_nobody_opens_nothing() -> None:
    await Callbacks().close()
