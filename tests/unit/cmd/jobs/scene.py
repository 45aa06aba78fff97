# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A service whose jobs a test writes by hand, and the command that asks it over loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.auth import Authenticator
from deepaas.cmd.jobs.main import main
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import Job, JobEnd, JobState
from deepaas.testing import NOON, make_job
from tests.unit.parts import Elsewhere, echo_service

#: More than any recursion follows.
DEEP = "[" * 100_000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Command:
    """``deepaas jobs`` against one server; what it prints is kept."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._capsys = capsys
        self.out = self.err = ""

    async def __call__(self, action: str, *argv: str) -> int:
        """Run it, in a thread with an event loop of its own, and return its exit status."""
        self._capsys.readouterr()
        try:
            status = await asyncio.to_thread(main, [action, *argv, f"--url={self.url}"])
        except SystemExit as exc:
            status = int(str(exc.code))
        self.out, self.err = self._capsys.readouterr()
        return status

    @property
    def json(self) -> Any:
        """Standard output, one JSON object."""
        return json.loads(self.out)


class Scene:
    """The jobs, and the command."""

    def __init__(self, store: Elsewhere, folder: Path, run: Command) -> None:
        self.store = store
        self.folder = folder
        self.run = run

    def directory(self, job_id: str) -> JobDirectory:
        return JobDirectory(self.folder / job_id)

    async def add(self, number: int = 1, **changes: Any) -> Job:
        """Add a queued job."""
        job = await self.store.add(make_job(number, model="echo", **changes))
        directory = self.directory(job.id)
        directory.create(b"{}")
        directory.note_state("queued", 1)
        return job

    def print(self, job: Job, text: str) -> None:
        """Let a job print."""
        with self.directory(job.id).log.open("a", encoding="utf-8") as log:
            log.write(text)

    def report(self, job: Job, **report: Any) -> None:
        """Let a job report progress."""
        line = {"time": NOON.isoformat(), "event": "progress", "attempt": 1, **report}
        with self.directory(job.id).events.open("a") as events:
            events.write(json.dumps(line) + "\n")

    async def end(self, job: Job, state: JobState = JobState.DONE) -> Job:
        """Let a job end."""
        self.directory(job.id).note_state(state, 1)
        result = '{"x": 1}' if state is JobState.DONE else None
        return await self.store.finish(job.id, JobEnd(state, NOON, None, result))


@asynccontextmanager
async def scene(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    hides: bool = False,
    base_path: str = "",
    authenticator: Authenticator | None = None,
) -> AsyncIterator[Scene]:
    """Serve the echo model, none of whose jobs runs."""
    store = Elsewhere()
    async with echo_service(tmp_path, store=store) as service:
        settings = ApiSettings(base_path, hide_model_errors=hides)
        app = create_app(service, settings, authenticator)
        async with TestServer(app, shutdown_timeout=0.1) as server:
            url = str(server.make_url(base_path)).rstrip("/")
            yield Scene(store, tmp_path / "jobs", Command(url, capsys))


@asynccontextmanager
async def answering(
    capsys: pytest.CaptureFixture[str], handlers: dict[str, Handler]
) -> AsyncIterator[Command]:
    """Serve what a test says, under ``/v2/models/m/jobs`` and the path of each handler."""

    async def ready(request: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": "m"}]})

    app = web.Application()
    for path, handler in {"/v2/health/ready": ready, **handlers}.items():
        full = path if path.startswith("/v2/") else f"/v2/models/m/jobs/{path}"
        app.router.add_route("*", full, handler)
    async with TestServer(app, shutdown_timeout=0.1) as server:
        yield Command(str(server.make_url("")).rstrip("/"), capsys)


def always(content: Any, status: int = 200) -> Handler:
    """Return a handler that answers JSON, or a text as it is."""

    async def handler(request: web.Request) -> web.Response:
        if isinstance(content, str):
            return web.Response(text=content, status=status)
        return web.json_response(content, status=status)

    return handler
