# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Who is slow is told off, and who says nothing makes room; each also without the guard.

Nobody waits here for time to pass: the test says how much has.
"""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from deepaas.api.app import create_app
from deepaas.api.guards.connections import (
    Connection,
    ConnectionLimits,
    Connections,
    _most_by_descriptors,
)
from tests.unit.api.guards.serving import (
    LIVE,
    PREDICT,
    Place,
    connection,
    exchange,
    request,
    status_of,
)
from tests.unit.parts import echo_service, until

OFF = ConnectionLimits()
LONG_S = 1e6


@asynccontextmanager
async def serving(
    tmp_path: Path, limits: ConnectionLimits
) -> AsyncIterator[tuple[Place, Connections]]:
    """Serve the echo model; nobody looks at the connections but the test."""
    async with echo_service(tmp_path) as service:
        runner = web.AppRunner(create_app(service), handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None
        connections = Connections(runner.server, limits, access_log=None)
        server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
        try:
            yield Place(*server.sockets[0].getsockname()), connections
        finally:
            server.close()
            await runner.cleanup()
            await until(lambda: len(connections) == 0)


def pass_time(connections: Connections, seconds: float) -> None:
    connections.look(asyncio.get_running_loop().time() + seconds, seconds)


async def is_cut_off(reader: asyncio.StreamReader) -> bool:
    """Tell whether a connection ends without an answer."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


HEAD = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("sent", [b"", b"GET", HEAD])
async def test_a_head_that_does_not_end(tmp_path: Path, sent: bytes, is_on: bool) -> None:
    limits = ConnectionLimits(header_timeout_s=30.0) if is_on else OFF
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(sent)
        await until(lambda: len(connections) == 1)
        pass_time(connections, 29)
        assert len(connections) == 1
        pass_time(connections, LONG_S)
        if is_on:
            assert await is_cut_off(reader)
        else:
            writer.write(HEAD[len(sent) :] + b"\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_second_head_that_does_not_end(tmp_path: Path, is_on: bool) -> None:
    limits = ConnectionLimits(header_timeout_s=30.0) if is_on else OFF
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        pass_time(connections, LONG_S)
        assert len(connections) == 1  # it is idle, which is no offence
        writer.write(HEAD)

        def is_gone() -> bool:
            pass_time(connections, LONG_S)
            return len(connections) == 0

        if is_on:
            await until(is_gone)
        else:
            assert status_of(await exchange(place, request("GET", LIVE, "x"))) == 200
            pass_time(connections, LONG_S)
            writer.write(b"\r\n")
            await reader.readuntil(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_long_head_that_does_not_end(tmp_path: Path, is_on: bool) -> None:
    """It is held in memory, so a crowd of them is not to be waited for."""
    limits = ConnectionLimits(head_max_bytes=65_536) if is_on else OFF
    lines = b"".join(b"x%d: %s\r\n" % (n, b"y" * 8000) for n in range(10))
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HEAD + lines)
        await until(lambda: sum(each.head_bytes for each in connections) > 80_000)
        pass_time(connections, 0.5)
        assert len(connections) == 1
        pass_time(connections, 1.5)
        if is_on:
            assert await is_cut_off(reader)
        else:
            writer.write(b"\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


LONG_HEAD = HEAD + b"".join(b"X-%d: %s\r\n" % (at, b"x" * 1000) for at in range(80))


@pytest.mark.parametrize("ahead", [b"", HEAD + b"\r\n"])
async def test_a_long_head_that_comes_ahead(tmp_path: Path, ahead: bytes) -> None:
    """It is no request's that was served meanwhile."""
    limits = ConnectionLimits(header_timeout_s=30.0, head_max_bytes=65_536)
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HALF.replace(b"Connection: close", b"X: y"))
        await is_being_read(connections)
        (served,) = connections
        served.data_received(BODY[-5:])
        served.data_received(ahead + LONG_HEAD)  # before the answer
        assert served.is_busy()
        pass_time(connections, 5)
        for _ in range(2 if ahead else 1):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        await until(lambda: not served.is_busy())
        assert len(connections) == 1
        pass_time(connections, 10)
        await until(lambda: len(connections) == 0)


async def test_a_body_that_comes_with_its_head_is_none_of_it(tmp_path: Path) -> None:
    limits = ConnectionLimits(header_timeout_s=30.0, head_max_bytes=65_536)
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, _),
    ):
        await until(lambda: len(connections) == 1)
        (served,) = connections
        body = b'{"text": "%s"}' % (b"x" * 100_000)
        length = b"Content-Length: %d" % len(body)
        whole = HALF.partition(b"\r\n\r\n")[0].replace(b"Connection: close", b"X: y")
        whole = whole.replace(b"Content-Length: %d" % len(BODY), length)
        served.data_received(whole + b"\r\n\r\n" + body)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        await until(lambda: not served.is_busy())
        pass_time(connections, LONG_S)
        await asyncio.sleep(0)
        assert list(connections) == [served]
        assert served.transport is not None
        assert not served.transport.is_closing()


async def test_what_comes_behind_an_answer_is_no_head(tmp_path: Path) -> None:
    """Who sends on what nobody wanted to read is let finish, and may read the answer."""
    limits = ConnectionLimits(header_timeout_s=30.0, head_max_bytes=65_536)
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 100_000)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        (served,) = connections
        await until(lambda: not served.is_busy())
        writer.write(b"x" * 99_999)
        await has_received(served, 199_999)
        pass_time(connections, LONG_S)
        assert list(connections) == [served]
        writer.write(b"x" + HEAD + b"\r\n")
        await reader.readuntil(b"HTTP/1.1 200 ")
        await until(lambda: not served.is_busy())
        pass_time(connections, LONG_S)
        assert list(connections) == [served]


BODY = b'{"text": "x"}'
HALF = request("POST", PREDICT, "x", "Content-Type: application/json", body=BODY)[:-5]


async def is_being_read(connections: Connections) -> None:
    """Wait until the service waits for a body."""

    def reads() -> bool:
        return any(each.is_busy() for each in connections)

    await until(reads)


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_body_that_does_not_come(tmp_path: Path, is_on: bool) -> None:
    limits = ConnectionLimits(body_timeout_s=60.0) if is_on else OFF
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HALF)
        await is_being_read(connections)
        for _ in range(3):
            pass_time(connections, 20.1)
        if is_on:
            answer = await reader.read()
            assert status_of(answer) == 408
            assert b"did not come in time" in answer
            # And the next one on the connection is none: it is closed.
        else:
            writer.write(BODY[-5:])
            assert status_of(await reader.read()) == 200


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_body_that_trickles(tmp_path: Path, is_on: bool) -> None:
    """A byte a minute keeps no connection: it earns a five hundredth of a second."""
    limits = ConnectionLimits(body_timeout_s=60.0) if is_on else OFF
    async with (
        serving(tmp_path, limits) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HALF)
        await is_being_read(connections)
        (served,) = connections
        for n in range(4):
            writer.write(BODY[n - 5 : n - 4])
            await has_received(served, len(BODY) - 4 + n)
            pass_time(connections, 20)
        if not is_on:
            writer.write(BODY[-1:])
        assert status_of(await reader.read()) == (408 if is_on else 200)


async def test_a_steady_body_takes_as_long_as_it_likes(tmp_path: Path) -> None:
    body = b'{"text": "' + b"x" * 99_988 + b'"}'
    whole = request("POST", PREDICT, "x", "Content-Type: application/json", body=body)
    async with (
        serving(tmp_path, ConnectionLimits(body_timeout_s=60.0)) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(whole[: -len(body)])
        await is_being_read(connections)
        (served,) = connections
        for sent in range(10_000, 100_000, 10_000):
            writer.write(body[sent - 10_000 : sent])
            await has_received(served, sent)
            pass_time(connections, 20)  # as much as it earns
        writer.write(body[-10_000:])
        assert status_of(await reader.read()) == 200


async def has_received(served: Connection, count: int) -> None:
    await until(lambda: served.received == count)


async def test_time_passes_for_nobody_while_the_service_does_not_read(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, ConnectionLimits(body_timeout_s=60.0)) as (place, connections),
        connection(place) as (reader, writer),
    ):
        writer.write(HALF)
        await is_being_read(connections)
        (served,) = connections
        assert served.transport is not None
        served.transport.pause_reading()
        pass_time(connections, LONG_S)
        served.transport.resume_reading()
        writer.write(BODY[-5:])
        assert status_of(await reader.read()) == 200


@pytest.mark.parametrize("is_on", [True, False])
async def test_those_who_say_nothing_make_room(tmp_path: Path, is_on: bool) -> None:
    most = 50 if is_on else 10_000
    async with serving(tmp_path, ConnectionLimits(max_connections=most)) as (place, connections):
        silent = [await asyncio.open_connection(*place) for _ in range(200)]
        for _, writer in silent:
            writer.write(b"GET / HT")
        await until(lambda: len(connections) == min(200, most))
        assert status_of(await exchange(place, request("GET", LIVE, "x"))) == 200
        ended = [reader for reader, _ in silent if reader.exception() or reader.at_eof()]
        assert len(ended) >= 150 if is_on else ended == []
        for _, writer in silent:
            writer.transport.abort()


async def test_who_is_served_makes_no_room(tmp_path: Path) -> None:
    async with serving(tmp_path, ConnectionLimits(max_connections=2)) as (place, connections):
        async with connection(place) as first, connection(place) as second:
            for _, writer in (first, second):
                writer.write(HALF)

            def both_are_busy() -> bool:
                return sum(each.is_busy() for each in connections) == 2

            await until(both_are_busy)
            refused = await exchange(place, request("GET", LIVE, "x"))
            assert status_of(refused) in (503, 0)  # 0: it was closed while the request was sent
            pass_time(connections, 1)
            for reader, writer in (first, second):
                writer.write(BODY[-5:])
                assert status_of(await reader.read()) == 200
        assert status_of(await exchange(place, request("GET", LIVE, "x"))) == 200


async def test_one_too_many_is_told_so(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, ConnectionLimits(max_connections=1)) as (place, connections),
        connection(place) as (_, writer),
    ):
        writer.write(HALF)
        await is_being_read(connections)
        async with connection(place) as (reader, _):
            assert status_of(await reader.read()) == 503
        assert len(connections) == 1


async def test_what_was_used_last_goes_last(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, ConnectionLimits(max_connections=2)) as (place, connections),
        connection(place) as used,
        connection(place) as idle,
    ):
        await until(lambda: len(connections) == 2)
        used[1].write(HALF)
        await is_being_read(connections)
        pass_time(connections, 1)
        used[1].write(BODY[-5:])
        await used[0].read()  # closed by itself; another takes its place
        async with connection(place) as third, connection(place) as fourth:
            assert await ended_first(idle[0], third[0], fourth[0]) is idle[0]


async def test_what_is_used_for_moments_is_used(tmp_path: Path) -> None:
    """A proxy's connection is idle whenever somebody looks, and in use all the time."""
    async with (
        serving(tmp_path, ConnectionLimits(max_connections=2)) as (place, connections),
        connection(place) as used,
        connection(place) as silent,
    ):
        await until(lambda: len(connections) == 2)
        used[1].write(HEAD + b"\r\n")
        await used[0].readuntil(b"\r\n\r\n")
        await until(lambda: not any(each.is_busy() for each in connections))
        pass_time(connections, 1)
        async with connection(place):
            assert await ended_first(used[0], silent[0]) is silent[0]


async def ended_first(*readers: asyncio.StreamReader) -> asyncio.StreamReader:
    """Return the reader whose connection ends first."""
    tasks = {asyncio.create_task(reader.read()): reader for reader in readers}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return tasks[done.pop()]


@pytest.mark.parametrize("limits", [OFF, ConnectionLimits(header_timeout_s=0.05)])
async def test_somebody_looks_from_time_to_time(tmp_path: Path, limits: ConnectionLimits) -> None:
    async with (
        serving(tmp_path, limits) as (place, connections),
        connections.looked_after(),
        connection(place) as (reader, _),
    ):
        if limits is OFF:
            await until(lambda: len(connections) == 1)
        else:
            assert await is_cut_off(reader)


async def test_a_flood_of_requests_that_nobody_reads_the_answers_of(tmp_path: Path) -> None:
    """No more is read than can be answered, which is aiohttp's guard; the others are served."""
    async with serving(tmp_path, OFF) as (place, connections):
        _, writer = await asyncio.open_connection(*place, limit=1024)
        writer.write((HEAD + b"\r\n") * 200_000)

        def is_not_read_on() -> bool:
            (flooding,) = connections
            return flooding.transport is not None and not flooding.transport.is_reading()

        await until(lambda: len(connections) == 1)
        await until(is_not_read_on)
        assert status_of(await exchange(place, request("GET", LIVE, "x"))) == 200
        writer.transport.abort()


def test_a_quarter_of_the_descriptors_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert _most_by_descriptors() == 768
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert _most_by_descriptors() > 10**6


async def test_a_connection_that_is_gone_already_is_left_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, OFF) as (_, connections):
        gone = connections()
        gone.close_now()
        gone.turn_away()
        assert len(connections) == 0
