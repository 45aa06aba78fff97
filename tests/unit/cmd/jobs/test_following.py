# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is shown while it runs, up to its end."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deepaas.cmd.jobs.client import JobsClient
from deepaas.cmd.jobs.following import JobFollowing
from deepaas.config.client import ClientSettings
from deepaas.errors import RequestFailed
from tests.unit.cmd.jobs.scene import DEEP, always, answering, scene
from tests.unit.parts import until

ID = "0" * 31 + "1"
Capture = pytest.CaptureFixture[str]


class Seen:
    """Keeps what a view is told."""

    def __init__(self) -> None:
        self.text = ""
        self.events: list[Mapping[str, Any]] = []
        self.notes: list[str] = []
        self.is_closed = False

    def log(self, text: str) -> None:
        self.text += text

    def event(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        self.is_closed = True


async def test_log_and_events_come_live(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s, JobsClient(ClientSettings(s.run.url)) as client:
        await client.choose(None)
        job = await s.add()
        s.print(job, "old\nnew\n")
        seen = Seen()
        following = asyncio.create_task(JobFollowing(client, job.id, seen).run(1))
        await until(lambda: seen.text == "new\n")
        s.print(job, "newer\n")
        s.report(job, done=1, total=2, metrics={})
        await until(lambda: seen.text == "new\nnewer\n")
        await until(lambda: any(event.get("done") == 1 for event in seen.events))
        assert not following.done()
        await s.end(job)
        assert await following == "done"
        assert seen.events[-1]["state"] == "done"
        assert seen.is_closed
        assert seen.notes == []


async def test_a_service_that_keeps_logs_to_itself_shows_the_rest(
    tmp_path: Path, capsys: Capture
) -> None:
    async with scene(tmp_path, capsys, hides=True) as s:
        job = await s.add()
        await s.end(job)
        assert await s.run("follow", job.id) == 0
        assert "Logs are not shown here" in s.run.err


async def test_a_job_that_is_not_there_is_told_once(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        assert await s.run("follow", ID) == 1
        assert len(s.run.err.splitlines()) == 1


@pytest.mark.parametrize(("log", "events"), [(500, 200), (200, 500)])
async def test_a_failure_of_either_ends_both(capsys: Capture, log: int, events: int) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    def part(status: int) -> Any:
        return always({}, status) if status != 200 else stream

    handlers = {ID: always({"state": "running"})}
    handlers |= {f"{ID}/log": part(log), f"{ID}/events": part(events)}
    async with (
        answering(capsys, handlers) as run,
        JobsClient(ClientSettings(run.url)) as client,
    ):
        await client.choose("m")
        with pytest.raises(RequestFailed, match="500"):
            await JobFollowing(client, ID, Seen()).run(None)


@pytest.mark.parametrize(
    "data", ["{", pytest.param(DEEP, id="deep"), '"text"', '{"state": ["done"]}']
)
async def test_an_event_that_is_none(capsys: Capture, data: str) -> None:
    async def events(request: web.Request) -> web.Response:
        return web.Response(text=f"data: {data}\n\nevent: state\ndata: {{}}\n\n")

    async def log(request: web.Request) -> web.Response:
        return web.Response(text="event: end\ndata: done\n\n")

    handlers = {ID: always({"state": "running"}), f"{ID}/log": log, f"{ID}/events": events}
    async with (
        answering(capsys, handlers) as run,
        JobsClient(ClientSettings(run.url)) as client,
    ):
        await client.choose("m")
        seen = Seen()
        following = asyncio.create_task(JobFollowing(client, ID, seen).run(None))
        if data in ("{", DEEP):
            with pytest.raises(RequestFailed, match="does not answer"):
                await following
            return
        await until(lambda: seen.notes)
        assert {} in seen.events
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        assert seen.is_closed


async def test_a_break_is_told_once_for_log_and_events(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepaas.cmd.jobs.events._SHORTEST_AGAIN_S", 0.001)
    answers = {"log": ["retry: 1\n\n"], "events": ["retry: 1\n\n"]}
    endings = {"log": "event: end\ndata: done\n\n", "events": 'data: {"state": "done"}\n\n'}

    def part(name: str) -> Any:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(text=answers[name].pop() if answers[name] else endings[name])

        return handler

    handlers = {ID: always({"state": "done"})}
    handlers |= {f"{ID}/{name}": part(name) for name in answers}
    async with (
        answering(capsys, handlers) as run,
        JobsClient(ClientSettings(run.url)) as client,
    ):
        await client.choose("m")
        seen = Seen()
        await JobFollowing(client, ID, seen).run(None)
        assert seen.notes == [f"{run.url} has ended the connection. Trying again …"]


async def test_where_the_events_do_not_tell_the_end_the_job_does(capsys: Capture) -> None:
    async def nothing_left(request: web.Request) -> web.Response:
        return web.Response(status=204)

    handlers = {ID: always({"state": "cancelled"})}
    handlers |= {f"{ID}/log": nothing_left, f"{ID}/events": nothing_left}
    async with (
        answering(capsys, handlers) as run,
        JobsClient(ClientSettings(run.url)) as client,
    ):
        await client.choose("m")
        assert await JobFollowing(client, ID, Seen()).run(None) == "cancelled"
