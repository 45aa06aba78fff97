# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Events are read however they are cut, and go on where they broke."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deepaas.cmd.jobs import events as module
from deepaas.cmd.jobs.client import JobsClient
from deepaas.cmd.jobs.events import Event, EventReader, follow
from deepaas.config.client import ClientSettings
from deepaas.errors import RequestFailed

STREAM = (
    b"retry: 700\n\n: \n\nid: 3\ndata: one\ndata:two\n\n"
    b"event: end\nid: 9\r\ndata: done\r\n\r\nid: 12\n\nunknown: x\nretry: soon\nid: a\0b\ndata\n\n"
)
EVENTS = [Event("message", "one\ntwo"), Event("end", "done")]


def feed_in_parts(reader: EventReader, stream: bytes, size: int) -> list[Event]:
    return [
        event
        for start in range(0, len(stream), size)
        for event in reader.feed(stream[start : start + size])
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_however_they_are_cut(size: int) -> None:
    reader = EventReader()
    assert feed_in_parts(reader, STREAM, size) == [*EVENTS, Event("message", "")]
    assert reader.last_id == "12"
    assert reader.again_s == 0.7


def test_an_id_counts_once_its_event_is_whole() -> None:
    reader = EventReader()
    assert list(reader.feed(b"id: 1\ndata: x\n\nid: 2\ndata: y")) == [Event("message", "x")]
    assert reader.last_id == "1"
    reader.begin()
    assert list(reader.feed(b"\ndata: z\n\n")) == [Event("message", "z")]
    assert reader.last_id == "1"


def test_a_line_without_end_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_BYTES", 100)
    with pytest.raises(RequestFailed, match="no events"):
        list(EventReader().feed(b"data: " + bytes(200)))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_without_an_end_are_no_event(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Neither one event nor the memory grows without limit; many events may."""
    monkeypatch.setattr(module, "_LONGEST_BYTES", 100)
    reader = EventReader()
    whole = b"data: 1234567890\n" * 5 + b"\n"
    for _ in range(3):
        list(reader.feed(whole))
    endless = b"data: 1234567890\n" * 7
    with pytest.raises(RequestFailed, match="no events"):
        feed_in_parts(reader, endless, size)


@pytest.mark.parametrize("value", [b"a\rb", b"a\tb", b"\xff", "ü".encode()])
def test_an_id_that_could_be_no_header_is_not_taken(value: bytes) -> None:
    reader = EventReader()
    assert list(reader.feed(b"id: 5\n\nid: " + value + b"\ndata\n\n")) == [Event("message", "")]
    assert reader.last_id == "5"


def test_a_service_cannot_make_a_client_ask_without_a_pause() -> None:
    reader = EventReader()
    list(reader.feed(b"retry: 0\n\n"))
    assert reader.again_s == 0.5


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHORTEST_AGAIN_S", 0.001)


class Broken:
    """A service that sends an event a connection, and breaks it off."""

    def __init__(self, *answers: str | int) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []
        self.told: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Last-Event-ID"))
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return web.Response(status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(answer.encode())
        if answer.endswith("\n\n"):
            await response.write_eof()
        elif request.transport is not None:
            request.transport.abort()
        return response

    async def events(self, *, gone_s: float = 60.0) -> list[Event]:
        app = web.Application()
        app.router.add_get("/events", self.handle)
        params: Mapping[str, str | list[str]] = {"a": "b"}
        async with TestServer(app) as server:
            settings = ClientSettings(str(server.make_url("")).rstrip("/"))
            async with JobsClient(settings) as client:
                found = follow(
                    client,
                    "/events",
                    params=params,
                    on_break=lambda failure: self.told.append(failure.message),
                    gone_s=gone_s,
                )
                async with aclosing(found):
                    return [event async for event in found]


@pytest.mark.usefixtures("quick")
async def test_it_goes_on_behind_the_last_event() -> None:
    there = Broken(
        "retry: 1\nid: 5\ndata: a\n\nid: 7\ndata: ha",
        503,
        "id: 6\ndata: b\n\n",
        204,
    )
    assert await there.events() == [Event("message", "a"), Event("message", "b")]
    assert there.asked == [None, "5", "5", "6"]
    assert len(there.told) == 2  # the break of two tries is one


@pytest.mark.usefixtures("quick")
async def test_a_refusal_ends_it() -> None:
    there = Broken("retry: 1\nid: 5\ndata: a\n\n", 404)
    with pytest.raises(RequestFailed, match="404"):
        await there.events()


@pytest.mark.usefixtures("quick")
async def test_it_may_break_before_the_first_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.001)
    there = Broken(503, "data: a\n\n", 204)
    assert await there.events() == [Event("message", "a")]
    assert there.asked == [None, None, None]


@pytest.mark.usefixtures("quick")
async def test_a_service_that_stays_gone_is_given_up() -> None:
    there = Broken("retry: 1\ndata: a\n\n", *[503] * 1000)
    async with asyncio.timeout(60):
        with pytest.raises(RequestFailed, match="503"):
            await there.events(gone_s=0.01)
    assert len(there.told) == 1


@pytest.mark.usefixtures("quick")
async def test_a_service_that_ends_each_connection_at_once_is_given_up() -> None:
    there = Broken(*["retry: 1\n\n"] * 1000)
    async with asyncio.timeout(60):
        with pytest.raises(RequestFailed, match="has ended the connection"):
            await there.events(gone_s=0.01)
    assert len(there.told) == 1


@pytest.mark.usefixtures("quick")
async def test_a_service_that_holds_connections_is_there_though_it_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_HELD_S", -1.0)
    there = Broken(*["retry: 1\n\n"] * 3, 204)
    assert await there.events(gone_s=0.0) == []
    assert len(there.told) == 3
