# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Attacks by pages and clients: each fails, and works where its guard is switched off.

Some guards are those of the HTTP parser and of aiohttp, which nothing switches off; such tests say
so, and show that nothing was served beside the refusal.
"""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from deepaas.api.multipart import MultipartReader
from deepaas.errors import MalformedBody
from tests.unit.api.guards.serving import (
    LIVE,
    PREDICT,
    TRAIN,
    Place,
    connection,
    exchange,
    request,
    serving,
    status_of,
)

#: What a browser says of a page of another origin. Such a form needs no preflight.
CROSS = ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain")


async def trainings(place: Place) -> list[dict[str, object]]:
    answer = await exchange(place, request("GET", TRAIN, place.authority))
    found: list[dict[str, object]] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


async def started(place: Place, *headers: str, host: str = "") -> bytes:
    """Try to start a training, and return the answer."""
    return await exchange(place, request("POST", TRAIN, host or place.authority, *headers))


# Pages in the browser of somebody who may


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_a_page_of_another_origin_drives_train_and_delete(tmp_path: Path, guard: str) -> None:
    options = () if guard == "on" else ("--allowed-origin=*",)
    async with serving(tmp_path, *options) as place:
        answer = await started(place, *CROSS)
        if guard == "on":
            assert status_of(answer) == 403
            assert b"--allowed-origin" in answer
            assert await trainings(place) == []
            await started(place)  # by the user, from a shell
        [training] = await trainings(place)
        path = f"{TRAIN}{training['uuid']}"
        # Before it sends a DELETE, a browser asks whether it may.
        asked = await exchange(
            place,
            request(
                "OPTIONS", path, place.authority, *CROSS, "Access-Control-Request-Method: DELETE"
            ),
        )
        assert (b"Access-Control-Allow-Origin: *" in asked) == (guard == "off")
        assert (b"Access-Control-Allow-Methods: DELETE" in asked) == (guard == "off")
        answer = await exchange(place, request("DELETE", path, place.authority, *CROSS))
        assert status_of(answer) == (403 if guard == "on" else 200)
        assert len(await trainings(place)) == (1 if guard == "on" else 0)


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_a_page_of_another_origin_reads_what_is_served(tmp_path: Path, guard: str) -> None:
    options = () if guard == "on" else ("--allowed-origin=https://evil.example",)
    async with serving(tmp_path, *options) as place:
        answer = await exchange(place, request("GET", TRAIN, place.authority, *CROSS))
        assert status_of(answer) == 200
        allowed = b"Access-Control-Allow-Origin: https://evil.example"
        assert (allowed in answer) == (guard == "off")
        assert (b"Vary: Origin" in answer) == (guard == "off")


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_dns_rebinding(tmp_path: Path, guard: str) -> None:
    """The page is of one origin with the service, as its browser sees it."""
    options = () if guard == "on" else ("--allowed-host=*",)
    async with serving(tmp_path, *options) as place:
        host = f"evil.example:{place.port}"
        answer = await started(
            place, f"Origin: http://{host}", "Sec-Fetch-Site: same-origin", host=host
        )
        reading = await exchange(place, request("GET", TRAIN, host))
        if guard == "on":
            assert status_of(answer) == status_of(reading) == 403
            assert b"--allowed-host" in answer
            assert await trainings(place) == []
        else:
            assert status_of(answer) == status_of(reading) == 200
            assert len(await trainings(place)) == 1


async def test_a_proxy_s_header_does_not_stand_for_the_host(tmp_path: Path) -> None:
    """A rebound page may send it, and comes from the proxy's address if that is this machine."""
    async with serving(tmp_path, "--trusted-proxy=127.0.0.1") as place:
        headers = ("X-Forwarded-For: 127.0.0.2", "X-Forwarded-Host: localhost")
        assert status_of(await started(place, *headers, host="evil.example")) == 403


@pytest.mark.parametrize(
    ("options", "host", "headers"),
    [
        ((), None, ()),  # curl, requests
        ((), "localhost", ()),
        ((), None, ("Sec-Fetch-Site: same-origin", "Origin: http://{authority}")),  # /api
        # A proxy that says 127.0.0.1:5000 itself, and one that hands the name on.
        ((), None, ("Sec-Fetch-Site: same-origin", "Origin: https://models.example")),
        (("--allowed-host=models.example",), "models.example", ("Origin: http://models.example",)),
        # In a container, behind a published port.
        (("--listen-ip=0.0.0.0",), "gpu7.cluster:8080", ("Origin: http://gpu7.cluster:8080",)),
    ],
)
async def test_those_who_may_are_not_disturbed(
    tmp_path: Path, options: tuple[str, ...], host: str | None, headers: tuple[str, ...]
) -> None:
    async with serving(tmp_path, *options) as place:
        given = [header.format(authority=place.authority) for header in headers]
        assert status_of(await started(place, *given, host=host or "")) == 200


async def test_an_old_client_needs_no_host(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        assert status_of(await exchange(place, f"GET {LIVE} HTTP/1.0\r\n\r\n".encode())) == 200
        bare = f"GET {LIVE} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
        assert status_of(await exchange(place, bare)) == 400


# Too much


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_a_crowd_of_requests(tmp_path: Path, guard: str) -> None:
    options = ("--rate-limit=5/h",) if guard == "on" else ()
    async with serving(tmp_path, *options) as place:
        answers = [await exchange(place, request("GET", TRAIN, place.authority)) for _ in range(20)]
        statuses = [status_of(answer) for answer in answers]
        assert statuses.count(200) == (5 if guard == "on" else 20)
        assert statuses.count(429) == (15 if guard == "on" else 0)
        assert (b"Retry-After: 7" in answers[-1]) == (guard == "on")  # 720 s, or hardly less
        # Whoever watches over the service is not kept from it.
        assert status_of(await exchange(place, request("GET", LIVE, place.authority))) == 200


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_an_address_that_is_made_up_gets_round_the_limit(tmp_path: Path, guard: str) -> None:
    """Whom a service trusts that nobody stands before, has any address that it likes."""
    trusted = "10.0.0.1" if guard == "on" else "127.0.0.1"
    options = ("--rate-limit=5/h", f"--trusted-proxy={trusted}")
    async with serving(tmp_path, *options) as place:
        statuses = [
            status_of(
                await exchange(
                    place,
                    request("GET", TRAIN, place.authority, f"X-Forwarded-For: 203.0.113.{n}"),
                )
            )
            for n in range(20)
        ]
        assert statuses.count(200) == (5 if guard == "on" else 20)


@pytest.mark.parametrize(
    ("trusted", "client"), [("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "6.6.6.6")]
)
async def test_the_access_log_believes_trusted_proxies_only(
    tmp_path: Path, trusted: str, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, "--access-log", f"--trusted-proxy={trusted}") as place:
        headers = ("X-Forwarded-For: 5.5.5.5, 6.6.6.6",)
        await exchange(place, request("GET", TRAIN, place.authority, *headers))
    [record] = [each for each in caplog.records if each.name == "deepaas.access"]
    assert vars(record)["client"] == client


@pytest.mark.parametrize("guard", ["on", "off"])
async def test_a_caller_that_holds_many_requests(tmp_path: Path, guard: str) -> None:
    options = ("--max-concurrent=3",) if guard == "on" else ()
    async with serving(tmp_path, *options) as place:
        held = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*place)
            # The service has begun with it once it asks for the body.
            writer.write(
                request(
                    "POST",
                    PREDICT,
                    place.authority,
                    *("Content-Type: application/json", "Content-Length: 2"),
                    "Expect: 100-continue",
                )
            )
            await reader.readuntil(b"100 Continue\r\n\r\n")
            held.append((reader, writer))
        another = await exchange(place, request("POST", PREDICT, place.authority))
        assert status_of(another) == (429 if guard == "on" else 200)
        for reader, writer in held:
            writer.write(b"{}")
            assert status_of(await reader.read()) == 200
            writer.close()
        assert status_of(await exchange(place, request("POST", PREDICT, place.authority))) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Content-Length: 13", "Origin: https://evil.example"), 403),
        (("Content-Length: 1000000",), 413),
        (("Content-Length: 13",), 100),
    ],
)
async def test_only_a_body_that_is_wanted_is_asked_for(
    tmp_path: Path, headers: tuple[str, ...], status: int
) -> None:
    async with (
        serving(tmp_path, "--client-max-size=1000") as place,
        connection(place) as (reader, writer),
    ):
        expecting = ("Content-Type: application/json", "Expect: 100-continue")
        writer.write(request("POST", PREDICT, place.authority, *expecting, *headers))
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == status
        if status == 100:
            writer.write(b'{"text": "x"}')
            assert status_of(await reader.read()) == 200


# What is no HTTP, or hardly


LONG = 10 * 1024 * 1024


@pytest.mark.parametrize("guard", ["on", "off"])
@pytest.mark.parametrize("where", ["value", "name", "path"])
async def test_a_header_of_10_mb(tmp_path: Path, guard: str, where: str) -> None:
    options = ("--header-max-size=20000000",) if guard == "off" else ()
    async with serving(tmp_path, *options) as place:
        path = LIVE + (f"?x={'x' * LONG}" if where == "path" else "")
        name = "x" * LONG if where == "name" else "x"
        value = "x" * LONG if where == "value" else "x"
        data = request("GET", path, place.authority, f"{name}: {value}")
        if guard == "off":
            assert status_of(await exchange(place, data)) == 200
            return
        # As much as is needed to be refused, so that nothing comes after the answer.
        answer = await exchange(place, data[: 64 * 1024])
        assert status_of(answer) == 431
        assert b"--header-max-size" in answer
        assert b"xxx" not in answer
        assert status_of(await exchange(place, data)) in (431, 0)  # 0: closed while it was sent
        assert status_of(await exchange(place, request("GET", LIVE, place.authority))) == 200


async def test_a_thousand_headers(tmp_path: Path) -> None:
    """The guard is aiohttp's: 128 of them at most."""
    async with serving(tmp_path) as place:
        many = [f"x{n}: y" for n in range(1000)]
        assert status_of(await exchange(place, request("GET", LIVE, place.authority, *many))) == 400


SMUGGLED = f"POST {TRAIN} HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
        ("Content-Length: 0", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 0"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +0",),
        ("Content-Length: 0, 0",),
        ("Content-Length: 0x0",),
        ("Content-Length: -1",),
        ("X: y\n\tContent-Length: 0",),
        ("X: y\rContent-Length: 0",),
        (" Content-Length: 0",),
        ("Content-Length\x00: 0",),
    ],
)
async def test_a_request_within_a_request(tmp_path: Path, headers: tuple[str, ...]) -> None:
    """Where the end of the first is not plain, a proxy may see one request and the service two.

    The guard is the parser's. Without it, the service would take up what stands behind the head,
    which no proxy has looked at; so nothing must be served of it.
    """
    async with serving(tmp_path) as place:
        head = "\r\n".join([f"POST {PREDICT} HTTP/1.1", f"Host: {place.authority}", *headers])
        answer = await exchange(place, f"{head}\r\n\r\n{SMUGGLED}".encode("latin-1"))
        assert answer.count(b"HTTP/1.") == 1
        assert status_of(answer) == 400
        assert b"Server: DEEPaaS\r\n" in answer
        assert await trainings(place) == []


@pytest.mark.parametrize(
    "body",
    [
        "5\r\n{}\r\n0\r\n\r\n",
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2 \n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}",
    ],
)
async def test_chunks_that_are_none(tmp_path: Path, body: str) -> None:
    """The guard is the parser's; what stands behind is not served."""
    async with serving(tmp_path, "--body-timeout=0.5") as place:
        head = request("POST", PREDICT, place.authority, "Transfer-Encoding: chunked")
        kind = b"Content-Type: application/json\r\n\r\n"
        answer = await exchange(place, head[:-2] + kind + (body + SMUGGLED).encode())
        assert status_of(answer) in (400, 408, 0)
        assert answer.count(b"HTTP/1.") <= 1
        assert await trainings(place) == []


async def test_a_body_in_chunks_of_one_byte(tmp_path: Path) -> None:
    """Is read in time that grows as the body does; the guard is that of aiohttp's streams."""
    text = "x" * 40_000
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps({"text": text}).encode())
    async with serving(tmp_path) as place:
        head = request(
            "POST",
            PREDICT,
            place.authority,
            *("Content-Type: application/json", "Transfer-Encoding: chunked"),
        )
        attack = asyncio.create_task(exchange(place, head + body + b"0\r\n\r\n"))
        meanwhile = 0
        while not attack.done():
            answer = await exchange(place, request("GET", LIVE, place.authority))
            assert status_of(answer) == 200
            meanwhile += 1
        answer = await attack
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"] == {"text": text}
        assert meanwhile


@pytest.mark.parametrize("size", [71, 7000, 1_000_000])
async def test_a_long_boundary(tmp_path: Path, size: int) -> None:
    """Each byte of a body might be compared with it; RFC 2046 has 70 characters at most.

    Longer ones never reach the library that compares, which would take them.
    """
    boundary = "x" * size
    kind = f"multipart/form-data; boundary={boundary}"
    with pytest.raises(MalformedBody):
        MultipartReader(kind)
    async with serving(tmp_path, "--header-max-size=2000000") as place:
        body = f"--{boundary}--\r\n".encode()
        answer = await exchange(
            place, request("POST", PREDICT, place.authority, f"Content-Type: {kind}", body=body)
        )
        assert status_of(answer) == 400


async def test_no_answer_tells_a_version(tmp_path: Path) -> None:
    async with serving(tmp_path) as place:
        for data in (
            request("GET", LIVE, place.authority),
            request("GET", "/nothing", place.authority),
            request("FROB", "/", place.authority),
            request("GET", "/api", place.authority),
            request("GET", "/static/swagger/page.js", place.authority),
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x00\x05\r\n\r\n",
        ):
            answer = await exchange(place, data)
            assert b"\r\nServer: DEEPaaS\r\n" in answer, answer
            assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer, answer
            assert b"aiohttp" not in answer.partition(b"\r\n\r\n")[0]
