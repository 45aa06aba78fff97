# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Logs, events and artifacts are sent whole, in part, and as they come."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deepaas.api.v2.events import event
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import JobEnd, JobState
from deepaas.store.scenarios import TRAINS
from deepaas.testing import NOON, make_job
from tests.unit.api.client import Client, echo_client, raw
from tests.unit.parts import Elsewhere, until

SSE = {"Accept": "text/event-stream"}


def behind(place: object) -> dict[str, str]:
    """Return the headers of a client that goes on."""
    return {**SSE, "Last-Event-ID": str(place)}


class Sent(NamedTuple):
    """An event as a client reads it."""

    name: str
    id: str
    data: str


class Scene(NamedTuple):
    """A server that shows a job which nobody runs."""

    client: Client
    store: Elsewhere
    directory: JobDirectory
    path: str

    async def end(self, state: JobState = JobState.DONE) -> None:
        await self.store.finish(self.directory.path.name, JobEnd(state, NOON))

    def print(self, text: str | bytes) -> None:
        with self.directory.log.open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)

    def tell(self, **fields: Any) -> int:
        """Append an event and return the offset behind it."""
        with self.directory.events.open("a") as file:
            file.write(json.dumps(fields) + "\n")
            return file.tell()

    async def get(
        self, part: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        response = await self.client.get(self.path + part, headers=headers)
        text = await response.text()
        assert response.status == status, text
        return text


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    store = Elsewhere()
    job = make_job(1, model="echo")
    async with echo_client(tmp_path, store=store) as client:
        await store.add(job)
        await store.claim(job.id, server="elsewhere", models=["echo"], slots=9, **TRAINS)
        directory = JobDirectory(tmp_path / "jobs" / job.id)
        directory.create(b"")
        yield Scene(client, store, directory, f"/v2/models/echo/jobs/{job.id}")


def parsed(text: str) -> list[Sent]:
    """Read events as a browser does (WHATWG HTML, section 9.2.6)."""
    found = []
    for block in text.split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        if "data" in fields:
            last = {name: values[-1] for name, values in fields.items()}
            data = "\n".join(fields["data"])
            found.append(Sent(last.get("event", "message"), last.get("id", ""), data))
    return found


def test_what_an_event_says_is_what_is_read() -> None:
    for text in ("", "a", "a\n", "\na", "a\n\nb\n", ": a", " a", "data: x\nid: 7"):
        assert parsed(event(text, id=5, name="x").decode()) == [Sent("x", "5", text)]
    assert parsed(event("a").decode()) == [Sent("message", "", "a")]


async def test_the_log_is_sent_as_it_was_printed(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        assert await there.get("/log") == ""
        there.print("1%\r2%\na\nb\n")
        response = await there.client.get(there.path + "/log")
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await response.read() == b"1%\r2%\na\nb\n"
        assert await there.get("/log?tail=2") == "a\nb\n"
        assert await there.get("/log?tail=0") == ""
        assert await there.get("/log", 206, {"Range": "bytes=-4"}) == "a\nb\n"
        assert "is not between" in await there.get("/log?tail=-1", 422)


async def test_what_is_cut_out_of_a_log_while_it_is_sent_is_left_out(tmp_path: Path) -> None:
    """The space that was given back reads as zeros; none of them is sent."""
    size, start, end = 64 << 20, 16 << 20, 48 << 20
    async with scene(tmp_path) as there:
        there.print(b"x" * size)
        response = await there.client.get(there.path + "/log")
        assert response.status == 200
        with there.directory.log.open("r+b") as file:
            file.seek(start)
            file.write(bytes(end - start))
        gap = json.dumps({"start": start, "end": end, "left_out": end - start})
        (there.directory.path / "log-gap.json").write_text(gap)
        sent = await response.read()
        assert sent.count(b"x") == len(sent) == size - (end - start)
        # As ever, a range is of the file, and has its length.
        headers = {"Range": f"bytes={start - 1}-{start}"}
        assert await there.get("/log", 206, headers) == "x\0"
        tail = await there.client.get(f"{there.path}/log?tail=0")
        assert await tail.read() == b""


async def test_a_log_that_is_cut_while_it_is_sent_ends_there(tmp_path: Path) -> None:
    """Where the file system knows no holes."""
    async with scene(tmp_path) as there:
        there.print(b"x" * (64 << 20))
        response = await there.client.get(there.path + "/log")
        os.truncate(there.directory.log, 32 << 20)
        assert await response.read() == b"x" * (32 << 20)


async def test_a_log_that_may_have_changed_is_sent_whole(tmp_path: Path) -> None:
    """It has no tag by which a client could know that it is the same."""
    async with scene(tmp_path) as there:
        there.print("0123456789")
        for condition in ('"None"', '"x"', "None"):
            headers = {"Range": "bytes=5-", "If-Range": condition}
            assert await there.get("/log", 200, headers) == "0123456789"


async def test_the_log_is_followed_to_the_end(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        there.print("before\n")
        response = await there.client.get(f"{there.path}/log?follow=true")
        assert response.content_type == "text/event-stream"
        assert await response.content.readuntil(b"before\ndata: \n\n")
        there.print("caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode()[:-1])
        assert await response.content.readuntil(b"caf\n\n")
        there.print(b"\xa9\n")
        await there.end()
        rest = parsed((await response.read()).decode())
        assert rest == [Sent("message", "13", "é\n"), Sent("end", "", "done")]
        # A client that comes again behind the end is told not to, one that missed it gets it.
        for header in ({"Last-Event-ID": "13"}, {"Last-Event-ID": "99"}):
            assert await there.get("/log?follow=true", 204, header) == ""
        text = await there.get("/log", headers=behind(7))
        assert parsed(text)[0] == Sent("message", "13", "café\n")
        assert parsed(await there.get("/log?follow=true&tail=1"))[0].data == "café\n"
        assert "is not the id" in await there.get("/log", 422, behind("x"))


async def test_events_are_followed_to_the_final_state(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        first = there.tell(event="state", state="running", attempt=1)
        response = await there.client.get(f"{there.path}/events", headers=SSE)
        await response.content.readuntil(b"running")
        second = there.tell(event="progress", done=1)
        await response.content.readuntil(b"progress")
        await there.end()
        await response.read()
        text = await there.get("/events", headers=behind(first))
        progress, end = parsed(text)
        assert (progress.name, progress.id) == ("progress", str(second))
        assert json.loads(progress.data) == {"event": "progress", "done": 1}
        # The file does not tell the end; the store does, and does so once.
        assert (end.name, end.id) == ("state", str(second + 1))
        assert await there.get("/events", 204, behind(end.id)) == ""
        assert parsed(await there.get("/events", headers=behind(second))) == [end]
        assert json.loads(end.data) == {
            "time": "2026-11-22T12:00:00.060466+00:00",
            "event": "state",
            "state": "done",
            "attempt": 1,
            "message": None,
        }
        third = there.tell(event="state", state="done", attempt=1)
        found = parsed(await there.get("/events", headers=SSE))
        assert [each.id for each in found] == [str(first), str(second), str(third)]
        assert await there.get("/events", 204, behind(third)) == ""


async def test_a_job_that_was_cancelled_before_it_ran_has_an_end_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        await there.end(JobState.CANCELLED)
        (only,) = parsed(await there.get("/events", headers=SSE))
        assert json.loads(only.data)["state"] == "cancelled"
        assert await there.get("/events", 204, behind(only.id)) == ""
        assert json.loads(await there.get("/events")) == {"events": []}


async def test_an_end_behind_half_a_line_is_told_once(tmp_path: Path) -> None:
    """A full disk left the half of an event."""
    async with scene(tmp_path) as there:
        there.directory.events.write_text('{"event": "sta')
        await there.end(JobState.ERROR)
        (only,) = parsed(await there.get("/events", headers=SSE))
        assert json.loads(only.data)["state"] == "error"
        assert await there.get("/events", 204, behind(only.id)) == ""


@pytest.mark.parametrize("part", ["/log", "/log?follow=true", "/events"])
async def test_a_job_that_is_not_known_is_not_followed(tmp_path: Path, part: str) -> None:
    async with scene(tmp_path) as there:
        for headers in (SSE, behind(0)):
            path = there.path.rpartition("/")[0] + "/unknown" + part
            response = await there.client.get(path, headers=headers)
            assert (response.status, response.content_type) == (404, "application/problem+json")
            assert (await response.json(content_type=None))["status"] == 404


@pytest.mark.parametrize("part", ["/log", "/events"])
async def test_followers_leave_when_the_job_is_removed(tmp_path: Path, part: str) -> None:
    async with scene(tmp_path) as there:
        response = await there.client.get(there.path + part, headers=SSE)
        await response.content.readuntil(b"retry")
        store = there.store
        job = await store.finish(there.directory.path.name, JobEnd(JobState.DONE, NOON))
        await store.remove(job.id)
        assert parsed((await response.read()).decode()) == []


@pytest.mark.parametrize("part", ["/log", "/events", "/log?follow=true", "/artifacts/a"])
async def test_head_is_answered_at_once(tmp_path: Path, part: str) -> None:
    async with scene(tmp_path) as there:
        (there.directory.artifacts / "a").write_text("abc")
        response = await there.client.head(there.path + part, headers=SSE)
        assert (response.status, await response.read()) == (200, b"")
        if "artifacts" in part:
            assert response.headers["Content-Length"] == "3"


async def test_a_client_that_leaves_is_let_go(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        response = await there.client.get(f"{there.path}/log?follow=true")
        await response.content.readuntil(b"retry")

        def watching() -> bool:
            there.print("x\n")
            return any(task.get_name().startswith("watch ") for task in asyncio.all_tasks())

        await until(watching)
        response.close()
        await until(lambda: not watching())


async def made(tmp_path: Path, content: bytes) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as there:
        (there.directory.artifacts / "m.bin").write_bytes(content)
        await there.end()
        yield there


async def test_an_artifact_is_sent_with_its_checksum(tmp_path: Path) -> None:
    content = os.urandom(600_000)
    async for there in made(tmp_path, content):
        (there.directory.artifacts / "m.bin.gz").write_bytes(b"another file")
        tag = hashlib.sha256(content).hexdigest()
        listed = json.loads(await there.get("/artifacts/"))["artifacts"]
        assert listed[0] == {
            "path": "m.bin",
            "bytes": len(content),
            "sha256": tag,
            "href": f"{there.path}/artifacts/m.bin",
        }
        response = await there.client.get(listed[0]["href"], headers={"Accept-Encoding": "gzip"})
        assert await response.read() == content
        assert response.headers["ETag"] == f'"{tag}"'
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Content-Disposition"] == 'attachment; filename="m.bin"'
        assert response.headers["Accept-Ranges"] == "bytes"
        assert "Content-Encoding" not in response.headers
        for tags in (f'"{tag}"', f'"x", W/"{tag}"', "*"):
            headers = {"If-None-Match": tags}
            response = await there.client.get(listed[0]["href"], headers=headers)
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == f'"{tag}"'


@pytest.mark.parametrize(
    ("asked", "content"),
    [
        ("bytes=0-0", b"0"),
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=7-99", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=-99", b"0123456789"),
        ("Bytes = 1 - 2", None),
        ("bytes=4-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=1-2", None),
        ("bytes=-", b""),
        ("bytes=10-", b""),
        ("bytes=-0", b""),
        ("bytes=99-100", b""),
    ],
)
async def test_ranges(tmp_path: Path, asked: str, content: bytes | None) -> None:
    """What is no range is the whole file; nothing of a range is 416."""
    async for there in made(tmp_path, b"0123456789"):
        path = f"{there.path}/artifacts/m.bin"
        response = await there.client.get(path, headers={"Range": asked})
        if content is None:
            assert (response.status, await response.read()) == (200, b"0123456789")
        elif content == b"":
            assert (response.status, response.content_type) == (416, "application/problem+json")
            assert response.headers["Content-Range"] == "bytes */10"
        else:
            assert (response.status, await response.read()) == (206, content)
            start = b"0123456789".index(content)
            where = f"bytes {start}-{start + len(content) - 1}/10"
            assert response.headers["Content-Range"] == where


async def test_a_download_goes_on_with_the_same_file_only(tmp_path: Path) -> None:
    async for there in made(tmp_path, b"0123456789"):
        tag = hashlib.sha256(b"0123456789").hexdigest()
        for condition, status in ((f'"{tag}"', 206), ('"other"', 200), (f'W/"{tag}"', 200)):
            headers = {"Range": "bytes=5-", "If-Range": condition}
            assert await there.get("/artifacts/m.bin", status, headers)


async def test_a_file_that_shrinks_while_it_is_sent_breaks_off(tmp_path: Path) -> None:
    """A client does not take a part of it for all of it."""
    size = 64 * 1024 * 1024
    async with scene(tmp_path) as there:
        path = there.directory.artifacts / "m.bin"
        with path.open("wb") as file:
            file.truncate(size)
        response = await there.client.get(f"{there.path}/artifacts/m.bin")
        assert response.headers["Content-Length"] == str(size)
        os.truncate(path, 0)
        with pytest.raises(Exception, match="payload"):
            await response.read()


@pytest.mark.parametrize(
    "path", ["none", "..%2Fcall.json", "%2E%2E/call.json", "%2Fetc%2Fpasswd", "a%00b", "%0A"]
)
async def test_no_other_file_is_sent(tmp_path: Path, path: str) -> None:
    async with scene(tmp_path) as there:
        answer = await raw(there.client, f"GET {there.path}/artifacts/{path} HTTP/1.1")
        assert answer.status in (400, 404)
        if answer.status == 404:
            assert "application/problem+json" in answer.headers["Content-Type"]


async def test_names_that_need_care(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        names = ["a b.txt", "ü.txt", "100%.txt", "q?#.txt", 'say "hi".txt', "sub/x.txt"]
        (there.directory.artifacts / "sub").mkdir()
        for name in names:
            (there.directory.artifacts / name).write_text(name)
        listed = json.loads(await there.get("/artifacts/"))["artifacts"]
        assert sorted(file["path"] for file in listed) == sorted(names)
        for file in listed:
            answer = await raw(there.client, f"GET {file['href']} HTTP/1.1")
            assert (answer.status, answer.text) == (200, file["path"])
            assert answer.headers["Content-Type"].startswith("text/plain")


async def test_a_name_that_is_no_text_is_listed_and_sent(tmp_path: Path) -> None:
    async with scene(tmp_path) as there:
        (there.directory.artifacts / os.fsdecode(b"caf\xe9")).write_text("x")
        (file,) = json.loads(await there.get("/artifacts/"))["artifacts"]
        assert file["path"] == "caf\\xe9"
        assert file["href"].endswith("/caf%E9")
        answer = await raw(there.client, f"GET {file['href']} HTTP/1.1")
        assert (answer.status, answer.text) == (200, "x")
