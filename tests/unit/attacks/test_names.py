# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Names of files that hold ends of lines make no headers of their own."""

import asyncio
import json
from pathlib import Path

import pytest

from deepaas.api.v2.responses import attachment
from deepaas.execution.jobdir import JobDirectory
from deepaas.testing import make_job
from tests.unit.api.client import PREDICT, Client, echo_client, raw
from tests.unit.parts import Elsewhere

#: Each would end the header, or the whole head, and go on with what the client likes.
NAMES = [
    'a.zip"\r\nX-Planted: 1',
    'a.zip"\nX-Planted: 1',
    "a.zip\r\n\r\n<script>",
    "a\u0085b\u2028.zip",
    'a"; filename="b.zip',
    "a\\",
    "\x1b[2J.zip",
]


async def answered_carelessly(name: str) -> str:
    """Return what a server sends that puts a name into a header as it is."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f'HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'
        writer.write(head.encode("latin-1", "replace"))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        text = (await reader.read()).decode("latin-1")
        writer.close()
        await writer.wait_closed()
    return text


def is_whole(head: str) -> bool:
    """Tell whether there is one header, of printable characters, with one name in quotes."""
    lines = head.partition("\r\n\r\n")[0].split("\r\n")[1:]
    found = [line for line in lines if line.startswith("Content-Disposition")]
    plain = found[0].partition("filename*=")[0] if len(found) == 1 else ""
    is_sole = not any(line.startswith("X-Planted") for line in head.splitlines())
    return is_sole and plain.isprintable() and plain.count('"') == 2 and "\\" not in plain


@pytest.mark.parametrize("name", NAMES)
async def test_unguarded_each_of_them_breaks_the_header(name: str) -> None:
    head = await answered_carelessly(name)
    assert not is_whole(head) or "<script>" in head


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_header(name: str) -> None:
    value = attachment(name)
    assert is_whole(f"HTTP/1.1 200 OK\r\nContent-Disposition: {value}\r\n\r\n")
    assert value.isascii()


async def head_of(client: Client, path: str) -> str:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode("latin-1")
    writer.close()
    await writer.wait_closed()
    return text


async def test_names_of_artifacts(tmp_path: Path) -> None:
    store = Elsewhere()
    job = make_job(1, model="echo")
    async with echo_client(tmp_path, store=store) as client:
        await store.add(job)
        directory = JobDirectory(tmp_path / "jobs" / job.id)
        directory.create(b"")
        for name in NAMES:
            (directory.artifacts / name.replace("/", "")).write_text("inside")
        path = f"/v2/models/echo/jobs/{job.id}/artifacts/"
        listed = json.loads(await (await client.get(path)).text())["artifacts"]
        assert len(listed) == len(NAMES)
        for file in listed:
            head = await head_of(client, file["href"])
            assert head.startswith("HTTP/1.1 200")
            assert is_whole(head), head


async def test_names_of_returned_files(tmp_path: Path) -> None:
    """What a client says comes back as the name, if the model says so, and harms nobody."""
    async with echo_client(tmp_path) as client:
        for name in NAMES:
            body = (
                '--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\nfile\r\n'
                f'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n{name}\r\n--x--\r\n'
            ).encode()
            answer = await raw(
                client,
                f"POST {PREDICT} HTTP/1.1",
                "Content-Type: multipart/form-data; boundary=x",
                f"Content-Length: {len(body)}",
                "Accept: application/zip",
                body=body,
            )
            assert (answer.status, answer.text) == (200, "file")
            assert "X-Planted" not in answer.headers
            shown = answer.headers["Content-Disposition"]
            assert is_whole(f"HTTP/1.1 200 OK\r\nContent-Disposition: {shown}\r\n\r\n")
