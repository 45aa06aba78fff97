# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is not quite HTTP is answered or refused, and never tells what the server looks like."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from deepaas.api.app import ROUTES
from deepaas.auth.keys import make_key
from tests.integration.harness import MODELS, Answer, Server, serve, wait_for
from tests.integration.rawbytes import HEADERS, Names, RawRequest, raw_requests

ROOT = Path(__file__).parents[2]
EVERY = MODELS / "every_field.py"
HOLDS = "waits_in_train"
#: How long requests are sent; `make soak` asks for more.
FUZZ_S = float(os.environ.get("DEEPAAS_TEST_FUZZ_S", "30"))
TARGETS = 2
TOGETHER = 48
#: A request that is not whole is waited for by the server: after so long a silence we end ours.
SILENCE_S = 0.2
#: Longer than any answer takes; it only ends what hangs.
HANGS_S = 30.0
#: What an answer may say of the server's own failures: not of this model, not at the moment.
SAID = {501, 503, 505}
LEAKS = (b"Traceback", b'File "', b"site-packages", str(ROOT).encode(), sys.prefix.encode())
_STATUS = re.compile(rb"HTTP/[01]\.[019] (\d{3}) [^\x00-\x08\x0a-\x1f\x7f]*")
_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class Target(NamedTuple):
    """A server, and what signs in there."""

    server: Server
    headers: Mapping[str, str]
    seed: int

    def post(self, path: str, **headers: str) -> Answer:
        return self.server.request("POST", path, headers={**self.headers, **headers})

    def ended_job(self) -> str:
        """Queue a prediction, wait for its end, and return its id."""
        where = self.post(f"/v2/models/{HOLDS}/predict/", Prefer="respond-async").headers[
            "Location"
        ]

        def is_done() -> bool:
            found = self.server.request("GET", where, headers=self.headers)
            return bool(found.json["state"] == "done")

        wait_for(is_done)
        return where.rstrip("/").rpartition("/")[2]


async def exchange(port: int, request: RawRequest) -> bytes:
    """Send a request, and return all that comes until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    ended = False
    try:
        for piece in request.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(HANGS_S):
            while True:
                try:
                    async with asyncio.timeout(None if ended else SILENCE_S):
                        data = await reader.read(65536)
                except TimeoutError:
                    if ended:
                        raise
                    ended = True
                    writer.write_eof()
                    continue
                if not data:
                    return bytes(received)
                received += data
    except ConnectionError:
        return bytes(received)  # refused in the middle of what was sent
    finally:
        writer.close()


def faults(answer: bytes, secrets: Sequence[bytes]) -> Iterator[str]:
    """Yield what is wrong with an answer; none at all is a refusal."""
    if not answer:
        return
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    status = _STATUS.fullmatch(head[0])
    if status is None:
        yield f"no HTTP: {head[0]!r}"
        return
    if int(status[1]) >= 500 and int(status[1]) not in SAID:
        yield f"status {status[1].decode()}"
    yield from (f"no header: {line!r}" for line in head[1:] if not _FIELD.fullmatch(line))
    if any(line.lower().startswith(b"x-injected") for line in head):
        yield "a header of the client's"
    yield from (f"tells {leak.decode()!r}" for leak in (*LEAKS, *secrets) if leak in answer)


async def fuzz(target: Target, names: Names, limit_s: float) -> int:
    """Send requests for a time, and return how many; fail on the first wrong answer."""
    more = [f"{name}: {value}".encode() for name, value in target.headers.items()]
    requests = raw_requests(target.seed, ROUTES, names, more * len(HEADERS))
    secrets = [str(target.server.folder).encode()]
    deadline = time.monotonic() + limit_s
    sent = 0
    while time.monotonic() < deadline:
        some = list(islice(requests, TOGETHER))
        answers = await asyncio.gather(*(exchange(target.server.port, each) for each in some))
        for request, answer in zip(some, answers, strict=True):
            found = list(faults(answer, secrets))
            assert not found, f"{found}\n{b''.join(request.pieces)!r}\n{answer[:2000]!r}"
        sent += len(some)
    return sent


@pytest.fixture(scope="module", params=["open", "signed in"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("bytes")
    models = f"{EVERY},minimal,{MODELS / HOLDS}.py"
    headers: dict[str, str] = {}
    environment: dict[str, str] = {}
    options: tuple[str, ...] = ()
    seed = 1
    if request.param == "signed in":
        key, _ = make_key("fuzz", frozenset({"manage"}))
        headers = {"X-API-Key": key}
        environment = {"DEEPAAS_API_KEYS": f"fuzz {key} role=manage"}
        options, seed = ("--access-log", "--use-json"), 2
    with serve(models, folder, *options, environment=environment) as server:
        target = Target(server, headers, seed)
        # Trainings that are asked for wait behind this one.
        assert target.post(f"/v2/models/{HOLDS}/train/?gate=/dev/null/never").status == 200
        yield target


@pytest.mark.slow
@pytest.mark.timeout(FUZZ_S + 120)
def test_no_bytes_bring_the_server_down(target: Target) -> None:
    job = target.ended_job()
    names = {
        "model": ("minimal", "every_field", HOLDS, HOLDS),
        "job": (job,),
        "uuid": (job,),
        "file": ("page.js",),
        "path": ("x",),
    }
    server = target.server
    workers = {process.pid for process in server.running("worker predict")}
    assert asyncio.run(fuzz(target, names, FUZZ_S / TARGETS)) > TOGETHER
    assert server.get("/v2/health/ready").status == 200, server.get("/v2/health/ready").text
    assert {process.pid for process in server.running("worker predict")} == workers
    log = server.output()
    assert "A request failed" not in log
    before, trace, behind = log.partition("Traceback")
    assert not trace, before[-1000:] + trace + behind[:5000]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", None),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 501 Not Implemented\r\n\r\n", None),
        (b"nonsense\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "status 500"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "no header"),
        (b"HTTP/1.1 200 OK\r\nX-Injected: 1\r\n\r\n", "a header of the client's"),
        (b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent", "tells 'Traceback'"),
        (b"HTTP/1.1 200 OK\r\n\r\n/a/secret/place", "tells '/a/secret/place'"),
    ],
)
def test_a_wrong_answer_is_noticed(answer: bytes, fault: str | None) -> None:
    found = list(faults(answer, [b"/a/secret/place"]))
    assert (found == []) if fault is None else found[0].startswith(fault)
