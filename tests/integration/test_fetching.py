# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A service fetches what an address leads to: into a file, and for as long as somebody waits."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import MODELS, PATIENCE_S, Server, serve, wait_for

MODEL = "fetches_its_input"
LARGE_BYTES = 200_000_000


class Host(ThreadingHTTPServer):
    """Something to fetch from."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        #: The address was asked for that is never answered; who asked is gone.
        self.is_asked, self.is_left = threading.Event(), threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers in a few ways."""

    server: Host

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        match self.path:
            case "/silent.png":
                self.end_headers()
                self.server.is_asked.set()
                self.connection.recv(1)
                self.server.is_left.set()
            case "/large.png":
                self.send_header("Content-Length", str(LARGE_BYTES))
                self.end_headers()
                for _ in range(LARGE_BYTES // 1_000_000):
                    self.wfile.write(bytes(1_000_000))
            case _:
                self.end_headers()
                self.wfile.write(b"a small file")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fetching")
    options = ("--fetch-allow=127.0.0.1", "--fetch-max-size=1GB")
    with serve(MODEL, folder, *options, environment={"TMPDIR": str(temporary)}) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left(server: Server, temporary: Path) -> Iterator[None]:
    yield
    [folder] = temporary.glob("deepaas-*")
    wait_for(lambda: not os.listdir(folder))


def test_a_prediction_and_a_training(server: Server, host: Host) -> None:
    said = {"size": 12, "begins": "a small fi", "name": "cat.png", "type": "image/png"}
    answer = server.predict(MODEL, data=host.url("/x/cat.png?y=z"))
    assert answer.json["predictions"] == said
    job = server.train(MODEL, data=host.url("/x/cat.png"))
    assert job["args"] == {"data": ["data", "image/png", "cat.png"]}
    assert server.wait_training(MODEL, job["uuid"])["result"]["output"] == said


def test_what_is_not_allowed_is_refused(server: Server, host: Host) -> None:
    answer = server.predict(MODEL, data=f"http://127.0.0.2:{host.server_port}/")
    assert answer.status == 422
    assert answer.json == {"data": ["The address does not lead to a public host."]}


def test_a_large_file_is_never_in_memory(server: Server, host: Host) -> None:
    before = psutil.Process(server.pid).memory_info().rss
    answer = server.in_background(lambda: server.predict(MODEL, data=host.url("/large.png")))
    most = before
    while not answer.done():
        most = max(most, psutil.Process(server.pid).memory_info().rss)
    assert answer.result().json["predictions"]["size"] == LARGE_BYTES
    assert most - before < LARGE_BYTES / 4


def test_a_client_that_leaves_ends_the_download(server: Server, host: Host) -> None:
    url = host.url("/silent.png")
    connection = server.send(f"/v2/models/{MODEL}/predict/?data={url}")
    assert host.is_asked.wait(PATIENCE_S)
    connection.close()
    assert host.is_left.wait(PATIENCE_S)


def test_the_command_line(host: Host, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deepaas.cmd.cli"),
            f"--model-name={MODELS / MODEL}.py",
            *("--fetch-allow", "127.0.0.1"),
            *("predict", "--data", host.url("/cat.png")),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["name"] == "cat.png", done.stderr


@pytest.mark.row("C112")
def test_one_file_from_an_address(host: Host, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deepaas.cmd.predict"),
            f"--model-name={MODELS / 'sizes_its_upload'}.py",
            *("--fetch-allow", "127.0.0.1", "--url", "-i", host.url("/cat.png")),
            *("-o", f"{tmp_path}/out/"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "12" in (tmp_path / "out" / "out_cat.json").read_text()
