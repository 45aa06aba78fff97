# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends is read as it was meant, within the limits, and leaves nothing.

That no upload is left is checked when each client has left.
"""

import asyncio
import errno
import gzip
import io
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from deepaas.api.keys import SERVICE
from tests.unit.api.client import PREDICT, TRAIN, Client, RawAnswer, echo_client, predictions, raw
from tests.unit.parts import open_fds, until

BOUNDARY = "limit"
MULTIPART = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def part(disposition: str, content: bytes = b"x", *headers: str) -> bytes:
    """Return one part of a multipart body."""
    lines = [f"--{BOUNDARY}", f"Content-Disposition: {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = part('form-data; name="data"; filename="a.txt"')


async def post(client: Client, body: bytes, *headers: str) -> RawAnswer:
    """Send a body byte for byte."""
    length = (
        ()
        if any("Length" in line or "chunked" in line for line in headers)
        else (f"Content-Length: {len(body)}",)
    )
    return await raw(client, f"POST {PREDICT} HTTP/1.1", *headers, *length, body=body)


def chunked(*chunks: bytes) -> bytes:
    """Return a body of unknown length."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def multipart(client: Client, *parts: bytes) -> Any:
    """Predict with a multipart body made by hand."""
    answer = await post(client, b"".join(parts) + END, MULTIPART)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)["predictions"]


# Malformed


@pytest.mark.parametrize(
    "body",
    [
        b"nothing of a form",
        FILE,  # without an end
        FILE[:-3],
        FILE[: len(FILE) // 2],
        FILE + b"--limit",
        part('form-data; filename="a.txt"') + END,
        part("attachment") + END,
        part("") + END,
        b"--limit\r\n\r\nno headers\r\n" + END,
        b"--limit\r\nno header at all\r\n\r\nx\r\n" + END,
        FILE + part('form-data; name="text"', b"\xff\xfe") + END,
        FILE + part('form-data; name="text"', b"x", "Content-Type: text/plain; charset=no") + END,
        FILE + part('form-data; name="text"', b"x", "Content-Type: a/b; charset=punycode") + END,
        FILE + part('form-data; name="text"', b"x", "Content-Transfer-Encoding: no") + END,
        part("form-data; name*=undefined''%41") + END,
        part("form-data; name*0=\"punycode''%41\"") + END,
        FILE
        + b"--limit\r\nContent-Type: multipart/mixed; boundary=inner\r\n\r\n--inner--\r\n"
        + END,
    ],
)
async def test_a_malformed_form_leaves_no_file(tmp_path: Path, body: bytes) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, body, MULTIPART)
        assert answer.status == 400, answer.text
        assert set(json.loads(answer.text)) == {"form"}


async def test_a_form_without_a_boundary(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, FILE + END, "Content-Type: multipart/form-data")
        assert answer.status == 400
        assert json.loads(answer.text) == {"form": ["Invalid multipart body."]}


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b"text=%FF\xff", ""),
        (b"text=x", "; charset=none"),
        (b"text=x", "; charset=hex"),
        (b"text=x", "; charset=undefined"),
        (b"text=a-" + b"a" * 200_000, "; charset=punycode"),
    ],
)
async def test_a_malformed_urlencoded_form(tmp_path: Path, body: bytes, charset: str) -> None:
    async with echo_client(tmp_path) as client:
        kind = f"Content-Type: application/x-www-form-urlencoded{charset}"
        answer = await post(client, body, kind)
        assert answer.status == 400
        assert json.loads(answer.text) == {"form": ["Invalid form body."]}


@pytest.mark.parametrize("body", [b"{", b"{'a': 1}", b"\xff", b"[1,]"])
async def test_a_body_that_is_no_json(tmp_path: Path, body: bytes) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, body, "Content-Type: application/json")
        assert answer.status == 400
        assert json.loads(answer.text) == {"json": ["Invalid JSON body."]}


@pytest.mark.parametrize("size", [100, 20_000, 400_000])
async def test_broken_json_of_any_size(tmp_path: Path, size: int) -> None:
    """Whether the server parses it or the worker."""
    async with echo_client(tmp_path) as client:
        answer = await post(client, b"[" * size, "Content-Type: application/json")
        assert answer.status == 400
        assert json.loads(answer.text) == {"json": ["Invalid JSON body."]}


async def test_a_body_that_is_not_encoded_as_announced(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        for kind in ("application/json", f"multipart/form-data; boundary={BOUNDARY}"):
            answer = await post(client, FILE, f"Content-Type: {kind}", "Content-Encoding: gzip")
            assert answer.status == 400, answer.text


async def test_a_client_that_goes_away_leaves_no_file(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(
            f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\n{MULTIPART}\r\n"
            f"Content-Length: 1000000\r\n\r\n".encode()
            + part('form-data; name="data"; filename="a.txt"', bytes(300_000))[:-2]
        )
        await writer.drain()
        uploads = uploads_of(client)
        await until(lambda: os.listdir(uploads))
        writer.transport.abort()
        await until(lambda: not os.listdir(uploads))


def uploads_of(client: Client) -> Path:
    """Return where the uploads of the application lie."""
    assert client.app is not None
    return client.app[SERVICE].uploads


# Limits


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit(tmp_path: Path, kind: str, announced: bool) -> None:
    async with echo_client(tmp_path, max_bytes=1000) as client:
        body = b"x" * 1001
        header = f"Content-Type: {kind}"
        if announced:
            answer = await post(client, body, header)
        else:
            answer = await post(client, chunked(body), header, "Transfer-Encoding: chunked")
        assert answer.status == 413
        assert answer.text == "Maximum request body size 1000 exceeded."


@pytest.mark.parametrize("disposition", ['name="data"; filename="a"', 'name="text"'])
async def test_a_form_is_stopped_while_it_streams(tmp_path: Path, disposition: str) -> None:
    """The limit holds for the sum of the parts."""
    async with echo_client(tmp_path, max_bytes=1000) as client:
        parts = [part(f"form-data; {disposition}", b"x" * 400) for _ in range(3)]
        body = chunked(*parts, END)
        answer = await post(client, body, MULTIPART, "Transfer-Encoding: chunked")
        assert answer.status == 413


@pytest.mark.parametrize("where", ["before", "between"])
async def test_what_stands_around_the_parts_counts_too(tmp_path: Path, where: str) -> None:
    async with echo_client(tmp_path, max_bytes=1000) as client:
        empty = part('form-data; name="text"', b"")
        pieces = [b"x" * 2000 + b"\r\n", empty] if where == "before" else [empty] * 100
        body = chunked(*pieces, END)
        answer = await post(client, body, MULTIPART, "Transfer-Encoding: chunked")
        assert answer.status == 413


async def test_a_form_has_a_bounded_number_of_parts(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        body = chunked(*[part('form-data; name="text"', b"")] * 1001, END)
        answer = await post(client, body, MULTIPART, "Transfer-Encoding: chunked")
        assert answer.status == 400
        assert "at most 1000 parts" in answer.text


async def test_a_form_has_a_bounded_number_of_fields(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        kind = "Content-Type: application/x-www-form-urlencoded"
        answer = await post(client, b"tags=1&" * 10_000, kind)
        assert answer.status == 400
        assert "at most 10000 fields, this one has 10001" in answer.text
        answer = await post(client, b"&".join([b"tags=123456789"] * 10_000), kind)
        assert json.loads(answer.text)["predictions"] == {"tags": ["123456789"] * 10_000}


async def test_a_raw_body_is_held_to_the_limit(tmp_path: Path) -> None:
    async with echo_client(tmp_path, max_bytes=1000) as client:
        body = chunked(b"x" * 600, b"x" * 600)
        headers = ("Content-Type: image/png", "Transfer-Encoding: chunked")
        request = f"POST {TRAIN} HTTP/1.1"
        assert (await raw(client, request, *headers, body=body)).status == 413


async def test_what_a_compressed_body_becomes_counts(tmp_path: Path) -> None:
    async with echo_client(tmp_path, max_bytes=100_000) as client:
        headers = ("Content-Type: application/json", "Content-Encoding: gzip")
        bomb = gzip.compress(b'"' + bytes(10_000_000) + b'"')
        assert (await post(client, bomb, *headers)).status == 413
        answer = await post(client, gzip.compress(b'{"text": "x"}'), *headers)
        assert json.loads(answer.text)["predictions"] == {"text": "x"}


async def test_a_body_at_the_limit(tmp_path: Path) -> None:
    async with echo_client(tmp_path, max_bytes=1000) as client:
        body = b'{"text": "%s"}' % (b"x" * (1000 - 12))
        assert len(body) == 1000
        assert (await post(client, body, "Content-Type: application/json")).status == 200


@pytest.mark.parametrize("kind", ["form", "multipart"])
async def test_text_is_held_in_memory_and_has_a_limit_of_its_own(tmp_path: Path, kind: str) -> None:
    async with echo_client(tmp_path) as client:
        text = b"x" * (16 * 1024 * 1024 + 1)
        if kind == "form":
            header = "Content-Type: application/x-www-form-urlencoded"
            answer = await post(client, b"text=" + text, header)
        else:
            answer = await post(
                client, FILE + part('form-data; name="text"', text) + END, MULTIPART
            )
        assert answer.status == 413


async def test_no_space_for_an_upload(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            body = part('form-data; name="data"; filename="a"', bytes(100_000)) + END
            answer = await post(client, body, MULTIPART)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert answer.status == 503
        assert str(uploads_of(client)) not in answer.text


async def test_uploads_that_cannot_be_written(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        uploads = uploads_of(client)
        uploads.rmdir()
        answer = await post(client, FILE + END, MULTIPART)
        uploads.mkdir()
        assert answer.status == 503
        assert str(uploads) not in answer.text


# JSON


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
async def test_json(tmp_path: Path, kind: str) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, '{"text": "é"}'.encode(), f"Content-Type: {kind}")
        assert json.loads(answer.text)["predictions"] == {"text": "é"}


async def test_a_kind_of_json(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, b'{"text": "x"}', "Content-Type: application/ld+json")
        assert json.loads(answer.text)["predictions"] == {"text": "x"}


@pytest.mark.parametrize("size", [16 * 1024, 17 * 1024, 256 * 1024, 257 * 1024, 2_000_000])
@pytest.mark.parametrize("announced", [True, False])
async def test_json_of_any_size_arrives(tmp_path: Path, size: int, announced: bool) -> None:
    """Kept in the loop, parsed by the worker, or put into a memory file."""
    async with echo_client(tmp_path) as client:
        await post(client, b"")  # opens what stays open
        before = open_fds()
        text = "x" * size
        body = json.dumps({"text": text}).encode()
        kind = "Content-Type: application/json"
        if announced:
            answer = await post(client, body, kind)
        else:
            chunks = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
            answer = await post(client, chunked(*chunks), kind, "Transfer-Encoding: chunked")
        assert json.loads(answer.text)["predictions"] == {"text": text}
        await until(lambda: open_fds() <= before)


@pytest.mark.parametrize("headers", [(), ("Content-Type: application/octet-stream",)])
async def test_a_body_of_another_kind_is_ignored(tmp_path: Path, headers: tuple[str, ...]) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, b'{"text": "x"}', *headers)
        assert json.loads(answer.text)["predictions"] == {}


# Forms


async def test_no_body_at_all(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        assert await predictions(client) == {}


async def test_an_urlencoded_form(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        found = await predictions(client, data={"text": "a b&é=%", "number": "3"})
        assert found == {"text": "a b&é=%", "number": 3}
        kind = "Content-Type: application/x-www-form-urlencoded"
        answer = await post(client, b"text=%C3%A9&tags=1&tags=&tags=2", kind)
        assert json.loads(answer.text)["predictions"] == {"text": "é", "tags": ["1", "", "2"]}
        answer = await post(client, b"text=\xe9", f"{kind}; charset=latin-1")
        assert json.loads(answer.text)["predictions"] == {"text": "é"}


async def test_text_parts_and_their_charset(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        latin = "Content-Type: text/plain; charset=latin-1"
        base64 = "Content-Transfer-Encoding: base64"
        text = 'form-data; name="text"'
        assert await multipart(client, part(text, "é".encode())) == {"text": "é"}
        assert await multipart(client, part(text, b"\xe9", latin)) == {"text": "é"}
        assert await multipart(client, part(text, b"w6k=", base64)) == {"text": "é"}
        assert await multipart(client, part(text, b"")) == {"text": ""}
        tags = [part('form-data; name="tags"', tag) for tag in (b"1", b"2", b"1")]
        assert await multipart(client, *tags) == {"tags": ["1", "2", "1"]}


async def test_a_first_part_tells_the_charset_of_all_texts(tmp_path: Path) -> None:
    """RFC 7578, section 4.6."""
    async with echo_client(tmp_path) as client:
        charset, text = 'form-data; name="_charset_"', 'form-data; name="text"'
        latin = part(charset, b"latin-1")
        assert await multipart(client, latin, part(text, b"\xe9")) == {"text": "é"}
        utf8 = "Content-Type: text/plain; charset=utf-8"
        assert await multipart(client, latin, part(text, "é".encode(), utf8)) == {"text": "é"}
        assert await multipart(client, part(text, b"x"), latin) == {"text": "x"}
        for wrong in (b"no-such", b"\xff", b"idna"):
            answer = await post(client, part(charset, wrong) + part(text) + END, MULTIPART)
            assert answer.status == 400, answer.text


async def test_a_file_that_is_encoded_for_its_transfer(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        data = 'form-data; name="data"; filename="a"'
        base64 = part(data, b"w6nD\r\nqQ==", "Content-Transfer-Encoding: base64")
        assert (await multipart(client, base64))["data"]["content"] == "Ã©Ã©"
        quoted = part(data, b"a=3Db=\r\nc", "Content-Transfer-Encoding: Quoted-Printable")
        assert (await multipart(client, quoted))["data"]["content"] == "a=bc"


async def test_of_repeated_parts_the_first_wins(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        found = await multipart(
            client, part('form-data; name="text"', b"1"), part('form-data; name="text"', b"2")
        )
        assert found == {"text": "1"}


# Uploads


async def test_an_upload_lies_in_a_file_of_its_own(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        content = bytes(range(256)) * 5000
        form = FormData()
        form.add_field("data", io.BytesIO(content), filename="cat.png", content_type="image/png")
        found = (await predictions(client, data=form))["data"]
        assert found["content"].encode("latin-1") == content
        assert (found["name"], found["original"]) == ("data", "cat.png")
        assert (found["type"], found["suffix"]) == ("image/png", ".png")
        assert Path(found["path"]).parent == uploads_of(client)


@pytest.mark.parametrize(
    ("filename", "suffix"),
    [
        ("cat", ""),
        ("", ""),
        (".png", ""),
        ("a.tar.gz", ".gz"),
        ("CAT.JPEG", ".JPEG"),
        ("../../etc/passwd", ""),
        ("../../x.png", ".png"),
        ("/etc/x.conf", ".conf"),
        ("C:\\\\cat.bmp", ".bmp"),
        ("a.p/n", ""),
        ("a.b c", ""),
        ("a.\N{LATIN SMALL LETTER E WITH ACUTE}", ""),
        ("a.%00png", ""),
        ("x" * 5000 + ".png", ".png"),
        ("a." + "x" * 5000, ""),
        ("..", ""),
        (".", ""),
        ("a.", ""),
    ],
)
async def test_a_hostile_name_names_no_path(tmp_path: Path, filename: str, suffix: str) -> None:
    async with echo_client(tmp_path) as client:
        found = (await multipart(client, part(f'form-data; name="data"; filename="{filename}"')))[
            "data"
        ]
        assert found["content"] == "x"
        assert found["suffix"] == suffix
        assert Path(found["path"]).parent == uploads_of(client)
        assert found["original"] is not None


async def test_a_name_with_a_zero_byte(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        body = part('form-data; name="data"; filename="a\x00.png"') + END
        answer = await post(client, body, MULTIPART)
        assert answer.status in (200, 400)


async def test_a_list_of_files(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        files = [
            part(f'form-data; name="more"; filename="{number}.txt"', b"%d" % number)
            for number in range(3)
        ]
        found = (await multipart(client, *files))["more"]
        assert [file["content"] for file in found] == ["0", "1", "2"]
        assert [file["original"] for file in found] == ["0.txt", "1.txt", "2.txt"]
        assert len({file["path"] for file in found}) == 3


async def test_files_are_there_whatever_the_model_does(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        body = FILE + part('form-data; name="how"', b"raise") + END
        assert (await post(client, body, MULTIPART)).status == 500
        body = FILE + part('form-data; name="number"', b"-1") + END
        assert (await post(client, body, MULTIPART)).status == 422


# Bodies of other kinds


async def test_a_training_takes_a_body_that_is_its_only_file(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        answer = await client.post(TRAIN, data=b"abc", headers={"Content-Type": "image/png"})
        assert (await answer.json())["args"] == {
            "epochs": 1,
            "data": ["data", "image/png", None],
        }


async def test_with_several_files_or_none_a_body_of_another_kind_is_ignored(tmp_path: Path) -> None:
    """As in version 2."""
    async with echo_client(tmp_path) as client:
        answer = await post(client, b"abc", "Content-Type: image/png")
        assert json.loads(answer.text)["predictions"] == {}


async def test_a_body_for_a_model_that_does_not_exist_is_not_stored(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        path = PREDICT.replace("echo", "dog")
        answer = await client.post(path, data=b"abc", headers={"Content-Type": "image/png"})
        assert answer.status == 404


async def test_no_memory_for_a_large_json_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes) -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    async with echo_client(tmp_path) as client:
        monkeypatch.setattr("deepaas.api.input.memory_file", fail)
        body = b'{"text": "%s"}' % (b"x" * 300_000)
        answer = await post(client, body, "Content-Type: application/json")
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"


# Everything else


async def test_query_headers_and_cookies_arrive(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        answer = await client.post(f"{PREDICT}?text=%C3%A9+x&tags=1&tags=2", json={"text": "no"})
        assert (await answer.json())["predictions"] == {"text": "é x", "tags": ["1", "2"]}
        answer = await client.post(PREDICT, headers={"Accept": "text/plain"})
        assert await answer.text() == "as text"


@pytest.mark.row("F01")
async def test_requests_share_nothing(tmp_path: Path) -> None:
    """A slow JSON request of 2.6.0 could receive the arguments of another client's form."""
    async with echo_client(tmp_path) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        body = b'{"number": 1}'
        writer.write(
            f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:5]
        )
        await writer.drain()
        assert await predictions(client, data={"text": "secret"}) == {"text": "secret"}
        writer.write(body[5:])
        answer = await reader.read()
        assert answer.endswith(b'{"number":1}}')
        writer.close()
