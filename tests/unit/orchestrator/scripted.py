# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An orchestrator that answers what it is told to, and notes what it was asked."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from deepaas.orchestrator.client import OrchestratorClient
from deepaas.orchestrator.tokens import GivenToken


@dataclass
class Said:
    """An answer."""

    body: str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Scripted:
    """Gives its answers in their order."""

    def __init__(self, answers: Sequence[Said]) -> None:
        self._answers = list(answers)
        #: Method and path, with the query.
        self.asked: list[str] = []
        self.headers: list[str] = []
        self.url = ""
        self.client: OrchestratorClient

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.headers.append(request.headers["Authorization"])
        said = self._answers.pop(0)
        body = said.body.encode() if isinstance(said.body, str) else said.body
        return web.Response(body=body, status=said.status, headers=said.headers)


@asynccontextmanager
async def scripted(*answers: Said) -> AsyncIterator[Scripted]:
    """Serve below ``/paas`` until the block is left."""
    script = Scripted(answers)
    app = web.Application()
    app.router.add_route("*", "/paas{tail:.*}", script.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        script.url = f"http://127.0.0.1:{runner.addresses[0][1]}/paas"
        async with OrchestratorClient(script.url, GivenToken("test", "token")) as client:
            script.client = client
            yield script
    finally:
        await runner.cleanup()
