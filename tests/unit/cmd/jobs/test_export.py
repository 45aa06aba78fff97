# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is exported whole, or not at all; what a service says of files leads nowhere else."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deepaas.cmd.jobs import export, files
from deepaas.records import Job, JobState
from tests.unit.cmd.jobs.scene import Handler, Scene, always, answering, scene
from tests.unit.parts import until

ID = "0" * 31 + "1"
WEIGHTS = os.urandom(300_000)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PAUSE_S", 0.0)


def content_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def ended(s: Scene, state: JobState = JobState.DONE) -> Job:
    """Add a job with everything that a job leaves."""
    job = await s.add()
    artifacts = s.directory(job.id).artifacts
    (artifacts / "deep" / "er").mkdir(parents=True)
    (artifacts / "deep" / "er" / "wéights #1%.bin").write_bytes(WEIGHTS)
    (artifacts / "copy").write_bytes(WEIGHTS)
    (artifacts / "empty").touch()
    s.print(job, "line\n")
    s.report(job, done=1, total=1, metrics={"loss": 0.5})
    return await s.end(job, state)


def hostile(path: object, **more: Any) -> dict[str, Handler]:
    """Return a service whose job has one file."""
    body = b"content"
    file = {"path": path, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **more}
    return honest([file], body)


def honest(listed: list[Any], body: bytes) -> dict[str, Handler]:
    """Return a service whose job has files of one content."""

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=body)

    return {
        ID: always({"id": ID, "state": "error"}),
        f"{ID}/artifacts/": always({"artifacts": listed}),
        f"{ID}/artifacts/{{path:.*}}": send,
        f"{ID}/metrics": always({"metrics": {}}),
        f"{ID}/log": always("log"),
    }


async def test_a_folder(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await ended(s)
        target = tmp_path / "new" / "export"
        assert await s.run("export", job.id, str(target)) == 0
        assert s.run.out == f"Exported job {job.id} to {target}.\n"
        found = content_of(target)
        assert found["artifacts/deep/er/wéights #1%.bin"] == found["artifacts/copy"] == WEIGHTS
        assert found["artifacts/empty"] == b""
        assert found["log"] == b"line\n"
        assert json.loads(found["result.json"]) == {"x": 1}
        assert json.loads(found["job.json"])["state"] == "done"
        assert json.loads(found["metrics.json"])["loss"][0]["value"] == 0.5
        assert len(json.loads(found["artifacts.json"])["artifacts"]) == 3
        assert len(found) == 8
        assert os.listdir(target.parent) == ["export"]


async def test_an_archive(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await ended(s, JobState.ERROR)
        target = tmp_path / "new" / "export.tar.gz"
        assert await s.run("export", job.id, str(target), "--json") == 0
        assert s.run.json == {"id": job.id, "target": str(target)}
        assert os.listdir(target.parent) == ["export.tar.gz"]
    with tarfile.open(target) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    found = content_of(tmp_path / "out" / job.id)
    assert found["artifacts/copy"] == WEIGHTS
    assert "result.json" not in found


async def test_a_name_that_is_no_utf_8(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await s.add()
        artifacts = os.fsencode(s.directory(job.id).artifacts)
        with open(artifacts + b"/odd \xff", "wb") as file:
            file.write(b"content")
        await s.end(job)
        assert await s.run("export", job.id, str(tmp_path / "export")) == 0, s.run.err
        assert (tmp_path / "export" / "artifacts" / "odd \\xff").read_bytes() == b"content"


async def test_a_log_that_the_service_keeps_to_itself(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys, hides=True) as s:
        job = await ended(s)
        assert await s.run("export", job.id, str(tmp_path / "export")) == 0
        assert "Logs are not shown here" in s.run.err
        assert not (tmp_path / "export" / "log").exists()


@pytest.mark.parametrize("target", [".", "/", ""])
async def test_a_target_without_a_name(capsys: Capture, target: str) -> None:
    async with answering(capsys, {}) as run:
        assert await run("export", ID, target, "--model=m") == 2
        assert "is there already; name another target: " in run.err
        assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["there", "there.tgz", "leads nowhere"])
async def test_what_is_there_is_not_touched(tmp_path: Path, capsys: Capture, name: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there.tgz").touch()
    (tmp_path / "leads nowhere").symlink_to(tmp_path / "nothing")
    async with answering(capsys, {}) as run:
        assert await run("export", ID, str(tmp_path / name), "--model=m") == 2
        assert "is there already; name another target" in run.err


async def test_a_job_that_runs_is_not_exported(tmp_path: Path, capsys: Capture) -> None:
    async with scene(tmp_path, capsys) as s:
        job = await s.add()
        assert await s.run("export", job.id, str(tmp_path / "export")) == 1
        assert (
            f"is queued; export it when it has ended: `deepaas jobs follow {job.id}`" in s.run.err
        )
        assert not (tmp_path / "export").exists()


async def test_a_target_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    async with answering(capsys, hostile("a")) as run:
        assert await run("export", ID, str(tmp_path / "file" / "export")) == 2
        assert "cannot be written: Not a directory." in run.err
        assert await run("export", ID, str(tmp_path / ("x" * 300))) == 2
        assert "cannot be written: File name too long." in run.err


# Hostile


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "..",
        ".",
        "",
        "a//b",
        "a/",
        "a/./b",
        "nul\0",
        "lone \ud800",
    ],
)
async def test_a_file_elsewhere_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: Capture, path: str
) -> None:
    async with answering(capsys, hostile(path)) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert "would not lie in the target" in run.err
        assert len(run.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        {"artifacts": None},
        {"artifacts": ["a"]},
        {"artifacts": [{"path": "a", "bytes": 1, "sha256": None}]},
        {"artifacts": [{"path": "a", "bytes": 1, "sha256": "../../x"}]},
        {"artifacts": [{"path": "a", "bytes": -1, "sha256": "0" * 64}]},
        {"artifacts": [{"path": 5, "bytes": 1, "sha256": "0" * 64}]},
    ],
)
async def test_a_list_that_is_none(tmp_path: Path, capsys: Capture, content: object) -> None:
    handlers = {ID: always({"state": "done"}), f"{ID}/artifacts/": always(content)}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert "does not answer as DEEPaaS does" in run.err
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_listed_twice(tmp_path: Path, capsys: Capture) -> None:
    file = {"path": "a", "bytes": 1, "sha256": "0" * 64}
    async with answering(capsys, honest([file, file], b"x")) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert "twice" in run.err


async def test_a_file_in_the_place_of_a_folder(tmp_path: Path, capsys: Capture) -> None:
    body = b"x"
    listed = [
        {"path": path, "bytes": 1, "sha256": hashlib.sha256(body).hexdigest()}
        for path in ("a", "a/b")
    ]
    async with answering(capsys, honest(listed, body)) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 2
        assert "cannot be written" in run.err


@pytest.mark.parametrize(
    "href",
    [
        "http://127.0.0.1:1/evil",
        f"http://127.0.0.1:1/v2/models/m/jobs/{ID}/artifacts/a?x",
        f"/v2/models/m/jobs/{ID}/artifacts/../../../../../secret",
        f"/jobs/{ID}/artifacts//x",
        5,
        None,
    ],
)
async def test_an_address_that_leads_elsewhere_is_not_asked(
    tmp_path: Path, capsys: Capture, href: object
) -> None:
    asked: list[str] = []
    handlers = hostile("a b", href=href)

    async def send(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(body=b"content")

    handlers[f"{ID}/artifacts/{{path:.*}}"] = send
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 0
    assert asked == [f"/v2/models/m/jobs/{ID}/artifacts/a%20b"]


@pytest.mark.parametrize(
    ("size", "checksum", "said"),
    [(6, None, "bytes that were said"), (8, None, "bytes that were said"), (7, "0" * 64, "check")],
)
async def test_a_file_other_than_was_said(
    tmp_path: Path, capsys: Capture, size: int, checksum: str | None, said: str
) -> None:
    more: dict[str, Any] = {"bytes": size} | ({"sha256": checksum} if checksum else {})
    async with answering(capsys, hostile("a", **more)) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert said in run.err
    assert not (tmp_path / "export").exists()


# Broken


class Breaking:
    """Sends half of what is left of a file, and breaks off, until there is little left."""

    def __init__(self, part: Path, *, keeps_to_ranges: bool = True, breaks: int = 1000) -> None:
        self._part = part
        self.ranges: list[str | None] = []
        self._keeps = keeps_to_ranges
        self._breaks = breaks

    async def send(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        assert wanted is None or request.headers["If-Range"] == f'"{CHECKSUM}"'
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self._keeps else 0
        rest = WEIGHTS[start:]
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
        response.content_length = len(rest)
        await response.prepare(request)
        if self._breaks and len(rest) > 100_000:
            self._breaks -= 1
            half = len(rest) // 2
            await response.write(rest[:half])
            # What a client has not taken when the connection breaks, it never sees.
            await until(lambda: _size(self._part) >= start + half - BUFFER)
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(rest)
        await response.write_eof()
        return response


#: What a file may hold back before it is closed.
BUFFER = 8192


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def part_in(folder: Path) -> Path:
    """Return where a file is that is not whole yet, of an export into a folder."""
    return folder / f"export.{ID}.incomplete" / "parts" / CHECKSUM


def starts(ranges: list[str | None]) -> list[int]:
    """Return where downloads began."""
    return [int(each.removeprefix("bytes=").rstrip("-")) if each else 0 for each in ranges]


CHECKSUM = hashlib.sha256(WEIGHTS).hexdigest()
LARGE = {"path": "large", "bytes": len(WEIGHTS), "sha256": CHECKSUM}


async def test_a_broken_download_goes_on_where_it_broke(tmp_path: Path, capsys: Capture) -> None:
    breaking = Breaking(part_in(tmp_path))
    handlers = honest([LARGE], b"") | {f"{ID}/artifacts/large": breaking.send}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 0
    assert (tmp_path / "export" / "artifacts" / "large").read_bytes() == WEIGHTS
    first, second, third = starts(breaking.ranges)
    assert first == 0
    assert 150_000 - BUFFER <= second <= 150_000
    assert third > second


async def test_a_service_without_ranges_begins_anew(tmp_path: Path, capsys: Capture) -> None:
    breaking = Breaking(part_in(tmp_path), keeps_to_ranges=False, breaks=1)
    handlers = honest([LARGE], b"") | {f"{ID}/artifacts/large": breaking.send}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 0
    assert (tmp_path / "export" / "artifacts" / "large").read_bytes() == WEIGHTS


async def test_an_export_that_is_tried_again_fetches_only_what_is_missing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_TRIES", 1)
    breaking = Breaking(part_in(tmp_path), breaks=1)
    small = {"path": "small", "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    handlers = honest([small, LARGE], b"x")
    asked: list[str] = []

    async def send_small(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=b"x")

    handlers = {
        f"{ID}/artifacts/large": breaking.send,
        f"{ID}/artifacts/small": send_small,
        **{path: handler for path, handler in handlers.items() if "{" not in path},
    }
    async with answering(capsys, handlers) as run:
        target = tmp_path / "export"
        assert await run("export", ID, str(target)) == 1
        assert not target.exists()
        assert await run("export", ID, str(target)) == 0
    first, second = starts(breaking.ranges)
    assert (first, second > 0) == (0, True)
    assert len(asked) == 1
    assert content_of(target)["artifacts/large"] == WEIGHTS
    assert content_of(target)["artifacts/small"] == b"x"
    assert os.listdir(tmp_path) == ["export"]


async def test_a_part_that_is_whole_is_not_fetched_and_one_that_is_too_long_is(
    tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "export"
    parts = tmp_path / f"export.{ID}.incomplete" / "parts"
    parts.mkdir(parents=True)
    (parts / CHECKSUM).write_bytes(WEIGHTS)
    breaking = Breaking(part_in(tmp_path), breaks=0)
    handlers = honest([LARGE], b"") | {f"{ID}/artifacts/large": breaking.send}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(target)) == 0
        assert breaking.ranges == []
        target.rename(tmp_path / "first")
        parts.mkdir(parents=True)
        (parts / CHECKSUM).write_bytes(WEIGHTS + b"more")
        assert await run("export", ID, str(target)) == 0
    assert breaking.ranges == [None]
    assert content_of(target)["artifacts/large"] == WEIGHTS


async def test_what_lies_in_the_place_of_a_file_and_is_another_one_is_replaced(
    tmp_path: Path, capsys: Capture
) -> None:
    artifacts = tmp_path / f"export.{ID}.incomplete" / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "a").write_bytes(b"another")
    async with answering(capsys, hostile("a")) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 0
    assert (tmp_path / "export" / "artifacts" / "a").read_bytes() == b"content"


async def test_a_range_that_was_not_asked_for(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_TRIES", 2)

    async def send(request: web.Request) -> web.Response:
        return web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 5-6/7"})

    handlers = honest([LARGE], b"") | {f"{ID}/artifacts/large": send}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert "does not answer as DEEPaaS does" in run.err


async def test_a_log_that_fails_fails_the_export(tmp_path: Path, capsys: Capture) -> None:
    handlers = honest([], b"") | {f"{ID}/log": always({}, 500)}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "export")) == 1
        assert "/log: 500" in run.err


@pytest.mark.parametrize(("size", "status"), [(1000, 0), (1001, 1)])
async def test_what_announces_no_size_has_a_limit(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    monkeypatch.setattr(export, "_MOST_BYTES", 1000)

    async def unannounced(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(size))
        return response

    handlers = honest([], b"") | {f"{ID}/log": unannounced}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "target")) == status
        assert ("sends more than 1000 bytes without saying" in run.err) is bool(status)
    assert (tmp_path / "target").exists() is not bool(status)


async def test_what_announces_its_size_has_none(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_MOST_BYTES", 1000)
    handlers = honest([], b"") | {f"{ID}/log": always("x" * 2000)}
    async with answering(capsys, handlers) as run:
        assert await run("export", ID, str(tmp_path / "target")) == 0
    assert (tmp_path / "target" / "log").read_text() == "x" * 2000
