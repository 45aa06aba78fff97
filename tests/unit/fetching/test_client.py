# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The guarded client fetches what may be fetched, and says of the rest why not."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deepaas.errors import CannotFetch, StorageFull
from deepaas.fetching import AddressPolicy, GuardedClient
from deepaas.fetching.client import Fetched, guarded_sockets
from tests.unit.fetching.host import CONTENT, serving
from tests.unit.parts import until

LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))


async def fetch(
    url: str,
    client: GuardedClient | None = None,
    *,
    max_bytes: int = 0,
    media_types: tuple[str, ...] = (),
) -> tuple[Fetched, bytes]:
    """Return what came, and its content."""
    pieces: list[bytes] = []

    async def sink(data: bytes) -> None:
        pieces.append(data)

    used = client or GuardedClient(LOOPBACK)
    got = await used.fetch(url, sink, max_bytes=max_bytes, media_types=media_types)
    return got, b"".join(pieces)


async def refusal(url: str, client: GuardedClient | None = None, *, max_bytes: int = 0) -> str:
    with pytest.raises(CannotFetch) as caught:
        await fetch(url, client, max_bytes=max_bytes)
    return caught.value.message


async def test_what_comes() -> None:
    async with serving() as host:
        got, content = await fetch(host.url())
    assert got == Fetched(len(CONTENT), "text/plain; charset=utf-8")
    assert content == CONTENT
    [(_, headers)] = host.seen
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{host.port}"


async def test_without_a_type_it_is_bytes() -> None:
    async with serving() as host:
        got, _ = await fetch(host.url("/untyped"))
    assert got.content_type == "application/octet-stream"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_without_cookies(status: int) -> None:
    async with serving() as host:
        _, content = await fetch(host.url(f"/to?status={status}&url=%2Fthere"))
    assert content == CONTENT
    assert [path for path, _ in host.seen] == ["/to", "/there"]
    assert all("Cookie" not in headers for _, headers in host.seen)


async def test_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    async with serving() as host:
        _, content = await fetch(host.url())
    assert content == CONTENT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing", "The host answered 404."),
        ("/gzip", "The host sent the content compressed, though it was asked not to."),
        ("/broken", "The answer of the host broke off."),
        ("/round", "The address leads on more than 5 times."),
        ("/nowhere", "The address leads on more than 5 times."),
        ("/to?url=ftp://127.0.0.1/", "The address must begin with http:// or https://"),
        ("/to?url=file:///etc/passwd", "The address must begin with http:// or https://"),
        ("/to?url=http://a:b@127.0.0.1/", "The address must not hold a name or a password."),
        ("/to?url=http://[/", "The host leads on to what is no address."),
        ("/to?url=http://127.0.0.1:99999/", "The host leads on to what is no address."),
    ],
)
async def test_answers_that_are_not_taken(path: str, message: str) -> None:
    async with serving() as host:
        assert (await refusal(host.url(path))).startswith(message)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "The address must begin with"),
        ("file:///etc/passwd", "The address must begin with"),
        ("gopher://127.0.0.1/", "The address must begin with"),
        ("http://", "The address must begin with"),
        ("//127.0.0.1/", "The address must begin with"),
        ("http://[::1]:x/", "This is no address."),
        ("http://127.0.0.1:99999/", "This is no address."),
        ("http://me@127.0.0.1/", "The address must not hold a name"),
        ("http://:secret@127.0.0.1/", "The address must not hold a name"),
        ("http://127.0.0.1/\r\nX: y", "The address is too long, or holds"),
        ("http://good.example\\@127.0.0.1/", "The address is too long, or holds"),
        ("http://127.0.0.1/" + "x" * 8192, "The address is too long, or holds"),
        ("http://nowhere.invalid/", "The address does not lead to a public host."),
    ],
)
async def test_addresses_that_are_not_taken(url: str, message: str) -> None:
    assert (await refusal(url)).startswith(message)


async def test_what_does_not_listen_or_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        task = asyncio.create_task(refusal(f"http://127.0.0.1:{port}/"))
        connection, _ = await asyncio.to_thread(other.accept)
        with connection:
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.shutdown(socket.SHUT_WR)
            assert await task == "The host cannot be reached, or it speaks no HTTP."
    assert await refusal(f"http://127.0.0.1:{port}/") == (
        "The host cannot be reached, or it speaks no HTTP."
    )


@pytest.mark.parametrize(("limit", "fits"), [(len(CONTENT), True), (len(CONTENT) - 1, False)])
async def test_the_size_is_limited(limit: int, fits: bool) -> None:
    async with serving() as host:
        if fits:
            assert (await fetch(host.url(), max_bytes=limit))[1] == CONTENT
        else:
            assert await refusal(host.url(), max_bytes=limit) == (
                f"The content is larger than {limit} bytes, the most that is fetched."
            )
        # Nobody has said how much it is.
        assert "larger than 1000000 bytes" in await refusal(host.url("/endless"), max_bytes=10**6)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (("image/*",), True),
        (("text/plain", "IMAGE/PNG"), True),
        (("*/*",), True),
        (("text/*",), False),
        (("image/jpeg",), False),
        (("image",), False),
    ],
)
async def test_the_type_is_limited(wanted: tuple[str, ...], fits: bool) -> None:
    async with serving() as host:
        url = host.url("/x?type=image/png%3Ba%3Db")
        if fits:
            assert (await fetch(url, media_types=wanted))[1] == CONTENT
        else:
            with pytest.raises(CannotFetch, match="The content is image/png; it must be"):
                await fetch(url, media_types=wanted)


async def test_ports_below_1024_are_for_the_operator_to_allow() -> None:
    async def public(host: str, port: int) -> list[str]:
        return ["1.1.1.1"]

    guarded = GuardedClient(AddressPolicy(), resolve=public)
    assert await refusal("http://example.org:25/", guarded) == (
        "The address names port 25; it may be 80, 443, or one from 1024 on."
    )
    async with serving() as host:
        allowed = AddressPolicy((ip_network("127.0.0.1/32"),))
        assert "cannot be reached" in await refusal("http://127.0.0.1:1/", GuardedClient(allowed))
        assert (await fetch(host.url(), GuardedClient(allowed)))[1] == CONTENT


async def test_what_the_sink_raises_comes_through() -> None:
    async def full(data: bytes) -> None:
        raise StorageFull

    async with serving() as host:
        with pytest.raises(StorageFull):
            await GuardedClient(LOOPBACK).fetch(host.url(), full)


async def test_a_host_of_several_addresses_is_tried_at_each_of_them() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "::1"]

    async with serving() as host:
        client = GuardedClient(LOOPBACK, resolve=both)
        assert (await fetch(host.url(name="two.example"), client))[1] == CONTENT
    assert host.seen[0][1]["Host"] == f"two.example:{host.port}"


@pytest.mark.parametrize("name", ["straße.example", "xn--strae-oqa.example"])
async def test_the_host_that_is_looked_up_is_the_one_that_is_asked(name: str) -> None:
    """Python's own encoding of names makes another of it: strasse.example."""
    asked: list[str] = []

    async def note(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    allowed = AddressPolicy(hosts=frozenset({"xn--strae-oqa.example"}))
    async with serving() as host:
        await fetch(host.url(name=name), GuardedClient(allowed, resolve=note))
    assert asked == ["xn--strae-oqa.example"]
    assert host.seen[0][1]["Host"] == f"xn--strae-oqa.example:{host.port}"


def test_a_socket_is_made_for_what_is_allowed_only() -> None:
    make = guarded_sockets(LOOPBACK, "x")
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    make((*kind, ("127.0.0.1", 80))).close()
    with pytest.raises(PermissionError):
        make((*kind, ("10.0.0.1", 80)))


# --- encrypted


def certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1 that signs itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "host.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        made.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


async def test_certificates_are_checked_and_redirects_stay_encrypted(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path)
    client = GuardedClient(LOOPBACK, tls=ssl.create_default_context(cafile=path))
    async with serving(tls) as host:
        assert (await fetch(host.url(), client))[1] == CONTENT
        assert (await fetch(host.url("/to?url=/there"), client))[1] == CONTENT
        assert await refusal(host.url("/to?url=http://127.0.0.1/"), client) == (
            "The host leads on from https to http."
        )
        assert await refusal(host.url()) == "The certificate of the host is not valid."
        assert await refusal(host.url(name="127.0.0.2"), client) == (
            "The certificate of the host is not valid."
        )


async def test_a_fetch_that_is_given_up_ends() -> None:
    async with serving() as host:
        task = asyncio.create_task(fetch(host.url("/silent")))
        await until(lambda: host.seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
