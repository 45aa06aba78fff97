# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The calls of the soak: which one comes when, and what its answer must be."""

import random
import time
from typing import Self

from benchmarks.answers import BadAnswer, decoded
from benchmarks.client import Connection
from benchmarks.contenders import BOUNDARY
from benchmarks.servers import Server, ServerFailed
from benchmarks.workloads import holds

_CALLS = "/v2/models/calls/predict/"
_ITEMS = "/v2/models/items/predict/"
_READY_S = 60.0
_STREAM_ITEMS = 50
#: Nobody waits for the end of it.
_LONG_STREAM_ITEMS = 1_000_000
_UPLOAD_BYTES = 300_000
_CONTENT = bytes(range(256)) * (_UPLOAD_BYTES // 256 + 1)

#: Of a thousand calls; what remains is plain.
_SHARES = {
    "model exceptions": 50,
    "wrong arguments": 50,
    "uploads": 50,
    "uploads broken off": 15,
    "clients that left": 30,
}
_STREAM_SHARES = {"streams": 20, "streams broken off": 5}
PLAIN = "plain"


class Mix:
    """Says of each call what it is; the same number is always the same call."""

    def __init__(self, *, streams: bool) -> None:
        shares = {**_SHARES, **(_STREAM_SHARES if streams else {})}
        kinds = [kind for kind, share in shares.items() for _ in range(share)]
        kinds += [PLAIN] * (1000 - len(kinds))
        random.Random(1).shuffle(kinds)  # noqa: S311 - the same mix every time
        self._kinds = kinds

    def kind_of(self, number: int) -> str:
        """Return the kind of a call."""
        return self._kinds[number % len(self._kinds)]


def _request(path: str, query: str, *headers: str, length: int = 0) -> bytes:
    lines = [f"POST {path}?{query} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def _form(content: bytes, number: int) -> tuple[bytes, bytes]:
    """Make the head and the body of an upload."""
    before = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="{number}.bin"'
        "\r\n\r\n"
    )
    body = before.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return _request(_CALLS, f"number={number}", kind, length=len(body)), body


def _stream_request(count: int) -> bytes:
    return _request(_ITEMS, f"count={count}", "Accept: application/x-ndjson")


def wait_ready(server: Server) -> None:
    """Wait until every model can be called.

    Raises:
        ServerFailed: It ended, or took too long.
    """
    deadline = time.monotonic() + _READY_S
    request = b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    while time.monotonic() < deadline:
        server.require_running()
        try:
            with Connection(server.port) as connection:
                if connection.ask(request).status == 200:
                    return
        except (OSError, BadAnswer):
            pass  # it does not listen yet
        time.sleep(0.05)
    raise ServerFailed("it did not become ready")


def answers_streams(port: int) -> bool:
    """Whether this version answers a generator as lines."""
    with Connection(port) as connection:
        connection.send(_stream_request(3))
        reader, _ = connection.receive(counted=b"\n")
    return reader.status == 200 and reader.count == 3


class SoakClient:
    """One client: keeps its connection, except where a call is about leaving."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, kind: str, number: int) -> str | None:
        """Make a call.

        Returns:
            What was wrong with its answer, ``None`` if nothing was.
        """
        try:
            match kind:
                case "model exceptions":
                    return self._ask(_request(_CALLS, f"number={number}&fail=true"), 500)
                case "wrong arguments":
                    return self._ask(_request(_CALLS, "number=minus"), 422)
                case "uploads":
                    size = number * 7919 % _UPLOAD_BYTES
                    request = b"".join(_form(_CONTENT[:size], number))
                    return self._ask(request, 200, {"bytes": size})
                case "uploads broken off":
                    head, body = _form(_CONTENT, number)
                    return self._leave(head + body[: len(body) // 2])
                case "clients that left":
                    return self._leave(_request(_CALLS, f"number={number}"))
                case "streams":
                    return self._stream()
                case "streams broken off":
                    return self._leave(_stream_request(_LONG_STREAM_ITEMS), wait=True)
            return self._ask(_request(_CALLS, f"number={number}"), 200, {"number": number})
        except (OSError, BadAnswer) as exc:
            self._drop()
            return str(exc)

    def _ask(
        self, request: bytes, status: int, expected: dict[str, int] | None = None
    ) -> str | None:
        if self._connection is None:
            self._connection = Connection(self._port)
        reader = self._connection.ask(request)
        if reader.status != status:
            return f"answered {reader.status} in the place of {status}"
        if expected is not None and not holds(decoded(reader.body), expected):
            return f"answered {reader.body[:80]!r}"
        return None

    def _leave(self, request: bytes, *, wait: bool = False) -> str | None:
        """Send, and close without reading; or after the first that comes."""
        with Connection(self._port) as connection:
            connection.send(request)
            if wait:
                connection.receive_some()
        return None

    def _stream(self) -> str | None:
        with Connection(self._port) as connection:
            connection.send(_stream_request(_STREAM_ITEMS))
            reader, _ = connection.receive(counted=b"\n")
        if (reader.status, reader.count) != (200, _STREAM_ITEMS):
            return f"answered {reader.status} with {reader.count} items"
        return None
