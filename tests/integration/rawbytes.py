# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Requests that are nearly HTTP: made of what each route takes, and then spoilt byte by byte.

The same seed makes the same requests, in the same order.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from deepaas.api.routing import Route

Spoil = Callable[[Random, bytes], bytes]
#: What may stand in the place of each name in a path.
Names = Mapping[str, Sequence[str]]

#: What stands in the place of names in a path, beside those that there are.
ODD_NAMES = (
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e%252f",
    "%00",
    "%ff%fe",
    "a%0d%0aX-Injected:%201",
    "file:%2f%2f%2fetc%2fpasswd",
    "\\..\\..",
    "%",
    "'\";--",
    "ä".encode().decode("latin-1"),
    "x" * 5000,
    "",
    "0" * 32,
    "-1",
    "9" * 40,
)
#: Put in at any place.
SHARP = (
    b"\x00",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"%00",
    b"%",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"../",
    b"\x1b[31m",
    b":",
    b";",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"\r\nX-Long: " + b"y" * 9000 + b"\r\n",
    b"[" * 3000,
    b"GET / HTTP/1.1\r\n\r\n",
)
HEADERS = (
    b"Accept: application/json",
    b"Accept: text/event-stream",
    b"Accept: */*;q=0, image/png;q=nan",
    b"Accept-Encoding: gzip",
    b"Authorization: Bearer x",
    b"X-API-Key: x",
    b"Range: bytes=5-2",
    b"Range: bytes=0-,0-,0-",
    b'If-None-Match: "',
    b"Last-Event-ID: -5",
    b"Idempotency-Key: \xff",
    b"Prefer: respond-async",
    b"X-Model-Version: 99999999999999999999",
    b"X-Request-ID: \x1b[2J",
    b"Cookie: a=b; c",
    b"Content-Encoding: gzip",
    b"Content-Encoding: nonsense",
    b"Transfer-Encoding: gzip, chunked",
    b"Forwarded: for=evil",
)
BODIES = (
    (b"application/json", b'{"a": 1, "numbers": [1, 2], "settings": {}}'),
    (b"application/json", b"[" * 20000),
    (b"application/json", b'{"a": 1e999, "b": ' + b"9" * 5000 + b"}"),
    (b"application/json; charset=utf-16", b"\xff\xfe{\x00}\x00"),
    (b"application/json", b'{"a": "\\ud800", "a": NaN}'),
    (b"application/x-www-form-urlencoded", b"a=1&b=%ff&c=%00&a=2&=&&%"),
    (b"application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(2000))),
    (
        b"multipart/form-data; boundary=XX",
        b'--XX\r\nContent-Disposition: form-data; name="data"; filename="../../x\r\n.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\r\n--XX--\r\n",
    ),
    (
        b"multipart/form-data; boundary=XX",
        b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--XX--\r\n',
    ),
    (b"multipart/form-data; boundary=" + b"B" * 71, b"--" + b"B" * 71 + b"--\r\n"),
    (b"multipart/form-data", b"--\r\n\r\n--"),
    (b"application/x-pickle", b"cos\nsystem\n(S'true'\ntR."),
    (b"", b"\x00" * 300),
)


class RawRequest(NamedTuple):
    """What is sent on one connection, in pieces."""

    pieces: tuple[bytes, ...]
    #: The method of a request that was not spoilt: of an answer to HEAD only the head comes.
    is_head: bool


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut_out(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at + random.randint(1, 40) :]


def _repeat(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at : at + random.randint(1, 60)] * random.randint(2, 5) + data[at:]


def _put_in(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + random.choice(SHARP) + data[at:]


def _cut_short(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def _swap_lines(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    random.shuffle(lines)
    return b"\r\n".join(lines)


def _add_length(random: Random, data: bytes) -> bytes:
    length = random.choice((b"-1", b"+5", b"0x10", b"5 5", b"1e3", b"", b"18446744073709551616"))
    return data.replace(b"\r\n", b"\r\nContent-Length: " + length + b"\r\n", 1)


SPOILING: Sequence[Spoil] = (
    _flip,
    _cut_out,
    _repeat,
    _put_in,
    _put_in,
    _cut_short,
    _swap_lines,
    _add_length,
)


def _chunked(random: Random, body: bytes) -> bytes:
    """Return a body in chunks, some of which lie about their size."""
    chunks = []
    while body:
        size = random.choice((1, 2, 7, 100, 4096))
        chunk, body = body[:size], body[size:]
        told = random.choice((len(chunk),) * 8 + (len(chunk) + 1, 0, 2**63))
        chunks.append(b"%x\r\n%b\r\n" % (told, chunk))
    return b"".join([*chunks, random.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b""))])


def raw_requests(
    seed: int, routes: Sequence[Route], names: Names, headers: Sequence[bytes] = ()
) -> Iterator[RawRequest]:
    """Yield requests without end, of every route in turn.

    Args:
        seed: Of all that is chosen.
        routes: The table.
        names: What stands in the place of each name in a path.
        headers: Further ones to choose from, as often as they stand here.
    """
    random = Random(seed)
    known = (*HEADERS, *headers)
    while True:
        for route in routes:
            yield _request(random, route, names, known)


def _request(random: Random, route: Route, names: Names, headers: Sequence[bytes]) -> RawRequest:
    def name(found: "re.Match[str]") -> str:
        known = names.get(found[1], ())
        return random.choice(known if known and random.random() < 0.8 else ODD_NAMES)

    path = re.sub(r"\{(\w+)(:[^{}]*)?\}", name, route.path)
    odd = json.dumps(random.choice(ODD_NAMES[:13]))[1:-1].replace(" ", "")
    query = random.choice(("", "", "?a=1&a=2", "?limit=-1&cursor=x", f"?{odd}={odd}", "?%"))
    methods = (route.method,) * 8 + ("HEAD", "OPTIONS", "PUT", "PRI", "get", "CONNECT", "TRACE")
    method = random.choice(methods)
    head = [f"{method} {path}{query} HTTP/{random.choice(('1.1',) * 9 + ('1.0',))}".encode()]
    head += [b"Host: 127.0.0.1", *random.sample(headers, random.choice((0, 0, 1, 2)))]
    if random.random() < 0.8:
        head.append(b"Connection: close")
    body = b""
    if method == "POST" or random.random() < 0.1:
        kind, body = random.choice(BODIES)
        head.append(b"Content-Type: " + kind)
        if random.random() < 0.3:
            head.append(b"Transfer-Encoding: chunked")
            body = _chunked(random, body)
        else:
            head.append(b"Content-Length: %d" % len(body))
    data = b"\r\n".join([*head, b"", b""]) + body
    spoilings = random.choice((0, 1, 1, 2, 4))
    for _ in range(spoilings):
        data = random.choice(SPOILING)(random, data) or b"\r\n"
    return RawRequest(_pieces(random, data), method == "HEAD" and not spoilings)


def _pieces(random: Random, data: bytes) -> tuple[bytes, ...]:
    if random.random() < 0.7:
        return (data,)
    at = random.randrange(len(data))
    return (data[:at], data[at:])
