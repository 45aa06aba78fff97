# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""No name in an address, of an upload or of an artifact leads out of where it belongs."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from deepaas.api.app import ROUTES
from deepaas.execution.artifacts import list_artifacts, open_artifact
from deepaas.execution.jobdir import JobDirectory
from deepaas.service.incoming import Incoming
from deepaas.service.uploads import Upload
from deepaas.testing import make_job
from tests.unit.api.client import Client, echo_client, opened, raw
from tests.unit.parts import Elsewhere

SECRET = "what lies outside"
JOB = make_job(1, model="echo")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a file that nobody is to get."""
    path = tmp_path / "outside.txt"
    path.write_text(SECRET)
    return path


def everywhere(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


#: From the path of a file to a name that leads to it, from any folder, for who is careless.
WAYS: dict[str, Callable[[str], str]] = {
    "dots": lambda path: "../" * 20 + path[1:],
    "encoded slashes": lambda path: ("../" * 20 + path[1:]).replace("/", "%2f"),
    "encoded dots": lambda path: "%2e%2e/" * 20 + path[1:],
    "encoded": lambda path: everywhere("../" * 20 + path[1:]),
    "encoded twice": lambda path: quote(everywhere("../" * 20 + path[1:])),
    "encoded dots twice": lambda path: "%252e%252e%252f" * 20 + path[1:],
    "backslashes": lambda path: "..\\" * 20 + path[1:].replace("/", "\\"),
    "encoded backslashes": lambda path: "..%5c" * 20 + path[1:].replace("/", "%5c"),
    "parameters": lambda path: "..;/" * 20 + path[1:],
    "parameters within": lambda path: "..;a=b/" * 20 + path[1:],
    "zero byte": lambda path: ("../" * 20 + path[1:]).replace("/", "%2f") + "%00.png",
    "absolute": lambda path: path,
    "absolute, encoded": lambda path: path.replace("/", "%2F"),
    "file": lambda path: f"file://{path}",
    "file, encoded": lambda path: quote(f"file://{path}", safe=""),
    "behind a name": lambda path: "x/" + "../" * 20 + path[1:],
}


def careless(name: str) -> Path:
    """Make a path of a name in every way in which servers have been too helpful."""
    name = unquote(unquote(name)).partition("\0")[0].replace("\\", "/")
    name = re.sub(r";[^/]*", "", name).removeprefix("file://")
    return Path(os.path.normpath(os.path.join("/", "no", "such", "folder", name)))


async def send_carelessly(request: web.Request) -> web.Response:
    name = request.rel_url.raw_path.removeprefix("/static/")
    return web.Response(body=careless(name).read_bytes())


@pytest.mark.parametrize("way", WAYS)
async def test_unguarded_each_way_leads_out(way: str, outside: Path) -> None:
    app = web.Application()
    app.router.add_get("/static/{file:.*}", send_carelessly)
    async with opened(app) as client:
        path = f"/static/{WAYS[way](str(outside))}"
        assert (await raw(client, f"GET {path} HTTP/1.1")).text == SECRET


def paths_with(name: str) -> Iterator[tuple[str, str]]:
    """Yield a request for each variable of each route, with a name in its place."""
    for route in ROUTES:
        path = route.path.replace("{path:(?s:.+)}", "{path}")
        for variable in re.findall(r"\{(\w+)\}", path):
            known = {"model": "echo", "job": JOB.id, "uuid": JOB.id, "file": "x", "path": "a.txt"}
            yield route.method, path.format(**{**known, variable: name})


async def assert_nothing_leaks(client: Client, prefix: str, name: str) -> None:
    requests = [*paths_with(name), ("GET", f"/{name}"), ("GET", f"/static/{name}")]
    assert len(requests) > len(ROUTES)
    for method, path in requests:
        answer = await raw(client, f"{method} {prefix}{path} HTTP/1.1")
        assert SECRET not in answer.text, (method, path)
        # 402 and the like tell of the route, not of the name.
        assert answer.status < 500 or answer.status == 501, (method, path, answer.text)
        assert answer.status >= 300 or not answer.text.startswith("root:"), (method, path)


@pytest.mark.parametrize("prefix", ["", "/base"])
async def test_no_route_leads_out(tmp_path: Path, outside: Path, prefix: str) -> None:
    store = Elsewhere()
    async with echo_client(tmp_path, store=store, base_path=prefix) as client:
        await store.add(JOB)
        directory = JobDirectory(tmp_path / "jobs" / JOB.id)
        directory.create(b"")
        (directory.artifacts / "a.txt").write_text("inside")
        for way in WAYS.values():
            await assert_nothing_leaks(client, prefix, way(str(outside)))


# --- names of uploads


UPLOAD_NAMES = ["../outside.txt", "..\\outside.txt", "a/../../outside.txt", "{absolute}"]


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("name", UPLOAD_NAMES)
async def test_the_name_of_an_upload(
    tmp_path: Path, outside: Path, name: str, guarded: bool
) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "a").mkdir()
    name = name.format(absolute=outside)
    incoming = Incoming()
    if guarded:
        upload = Upload(folder, name, incoming)
        await upload.write(b"written")
        await upload.finish()
        assert upload.path.parent == folder
        incoming.release()
    else:
        (folder / name.replace("\\", "/")).write_bytes(b"written")
    assert (outside.read_text() == SECRET) is guarded


# --- artifacts, which models make as they like


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Return the directory of a job with one artifact."""
    made = JobDirectory(tmp_path / "job")
    made.create(b"")
    (made.artifacts / "a.txt").write_text("inside")
    return made


def read(directory: JobDirectory, path: str, *, guarded: bool) -> str | None:
    """Read an artifact as it is done, or by its name; ``None`` if it is refused."""
    if not guarded:
        return (directory.artifacts / path).read_text()
    try:
        fd, _ = open_artifact(directory, path, is_final=False)
    except FileNotFoundError:
        return None
    with open(fd) as file:
        return file.read()


@pytest.mark.parametrize("guarded", [True, False])
def test_an_artifact_that_is_a_link_out(
    directory: JobDirectory, outside: Path, guarded: bool
) -> None:
    (directory.artifacts / "link").symlink_to(outside)
    (directory.artifacts / "folder").symlink_to(outside.parent)
    for path in ("link", "folder/outside.txt"):
        assert read(directory, path, guarded=guarded) == (None if guarded else SECRET)
        listed = [file.path for file in list_artifacts(directory, is_final=False)]
        assert path not in listed


@pytest.mark.parametrize("guarded", [True, False])
def test_an_artifact_that_is_replaced_after_it_was_listed(
    directory: JobDirectory, outside: Path, guarded: bool
) -> None:
    [file] = list_artifacts(directory, is_final=False)
    (directory.artifacts / file.path).unlink()
    (directory.artifacts / file.path).symlink_to(outside)
    assert read(directory, file.path, guarded=guarded) == (None if guarded else SECRET)


def swapping(path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a link in a place at once after somebody has looked where what is there leads."""
    original = os.path.realpath

    def realpath(looked_at: str | Path) -> str:
        found = original(looked_at)
        if os.fspath(looked_at).startswith(str(path)) and not path.is_symlink():
            path.rename(path.with_name("moved away"))
            path.symlink_to(target)
        return found

    monkeypatch.setattr(os.path, "realpath", realpath)


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("is_folder", [True, False])
def test_an_artifact_that_is_replaced_after_it_was_looked_at(
    directory: JobDirectory,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_folder: bool,
    guarded: bool,
) -> None:
    top = directory.artifacts
    (top / "b").mkdir()
    (top / "b" / outside.name).write_text("inside")
    path = top / "b" / outside.name
    if is_folder:
        swapping(top / "b", outside.parent, monkeypatch)
    else:
        swapping(path, outside, monkeypatch)
    if not guarded:
        assert os.path.realpath(str(path)).startswith(f"{top}/")
    relative = f"b/{outside.name}"
    assert read(directory, relative, guarded=guarded) == (None if guarded else SECRET)
