# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Large bodies cost no memory, hold up nobody, and on a full disk leave nothing."""

import http.client
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, Answer, Server, serve, wait_for
from tests.integration.namespaces import needs_mounts
from tests.integration.signals import serve_signalling

SIZES = "sizes_its_upload"
MB = 1024 * 1024
KINDS = ["multipart/form-data; boundary=x", "image/png"]
HEAD = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.png"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"


def send(server: Server, kind: str, size: int, model: str = SIZES) -> Answer:
    """Upload so many bytes without holding them."""
    head, tail = (HEAD, TAIL) if kind.startswith("multipart") else (b"", b"")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.putrequest("POST", f"/v2/models/{model}/predict/")
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    connection.endheaders(head or None)
    piece = bytes(range(256)) * (MB // 256)
    for start in range(0, size, MB):
        connection.send(piece[: size - start])
    connection.send(tail)
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read(), 0)
    connection.close()
    return answer


def memory_mb(server: Server, key: str) -> float:
    """Return what the server's own process holds of the machine's memory."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(rf"{key}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


@pytest.mark.row("F10")
@pytest.mark.parametrize("kind", KINDS, ids=["form", "raw"])
def test_an_upload_costs_no_memory_however_large_it_is(kind: str, tmp_path: Path) -> None:
    with serve(SIZES, tmp_path) as server:
        for _ in range(3):
            assert send(server, kind, 20 * MB).json["predictions"] == 20 * MB
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak begins anew
        before = memory_mb(server, "VmRSS")
        assert send(server, kind, 300 * MB).json["predictions"] == 300 * MB
        assert memory_mb(server, "VmRSS") - before < 5
        # What is on its way from the socket to the disk.
        assert memory_mb(server, "VmHWM") - before < 10


class SmallDisk:
    """A server whose uploads lie on a file system of 8 MiB."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = Path(f"/proc/{server.pid}/root{folder}")

    def uploads(self) -> list[Path]:
        return list(self._folder.glob("deepaas-*/*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    script = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", script, str(folder))
    environment = {"TMPDIR": str(folder)}
    with serve(SIZES, tmp_path, environment=environment, wrapper=wrapper) as server:
        yield SmallDisk(server, folder)


@needs_mounts
@pytest.mark.parametrize("kind", KINDS, ids=["form", "raw"])
def test_an_upload_that_fills_the_disk_is_507_and_leaves_nothing(
    kind: str, small_disk: SmallDisk
) -> None:
    server = small_disk.server
    open_files = server.open_files()
    for _ in range(3):
        refused = send(server, kind, 20 * MB)
        assert (refused.status, refused.text) == (
            507,
            "507: No space is left in the server's storage.",
        )
    assert small_disk.uploads() == []
    assert send(server, kind, 7 * MB).json["predictions"] == 7 * MB
    wait_for(lambda: server.open_files() <= open_files)


@needs_mounts
def test_large_json_needs_no_disk(small_disk: SmallDisk) -> None:
    answer = small_disk.server.predict_json(SIZES, {"text": "x" * 20 * MB})
    assert answer.json["predictions"] == 20 * MB


def test_others_are_served_while_a_worker_reads_large_json(tmp_path: Path) -> None:
    with serve_signalling("waits_in_input", tmp_path) as (server, signals):
        size = 50 * MB
        call = partial(server.predict_json, "waits_in_input", {"data": "x" * size})
        large = server.in_background(call)
        signals.wait_note("reads")
        for _ in range(100):
            assert server.get("/v2/health/live").status == 200
        assert not large.done()
        signals.allow("read")
        assert large.result().json["predictions"] == size


def test_others_are_served_while_clients_send_large_json(tmp_path: Path) -> None:
    """None of the bodies can end before the last answer to the others."""
    with serve(SIZES, tmp_path) as server:
        connections = []
        body = b'{"text": "' + b"x" * 50 * MB + b'"}'
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            connection.putrequest("POST", f"/v2/models/{SIZES}/predict/")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            connections.append(connection)
        for start in range(0, len(body) - 1, 5 * MB):
            for connection in connections:
                connection.send(body[start : min(start + 5 * MB, len(body) - 1)])
                assert server.get("/v2/health/live").status == 200
        for connection in connections:
            connection.send(body[-1:])
            response = connection.getresponse()
            assert response.status == 200
            assert str(50 * MB).encode() in response.read()
            connection.close()


@pytest.mark.parametrize(
    ("option", "fields", "status", "said"),
    [
        ("--form-max-parts=2", [("then", "")] * 3, 400, "at most 2 parts"),
        ("--form-max-text=1000", [("then", "x" * 501)] * 2, 413, "1000 exceeded"),
    ],
)
def test_an_operator_limits_forms(
    option: str, fields: list[tuple[str, str]], status: int, said: str, tmp_path: Path
) -> None:
    with serve(SIZES, tmp_path, option) as server:
        path = f"/v2/models/{SIZES}/predict/"
        refused = server.upload(path, fields=fields)
        assert refused.status == status
        assert said in refused.text
        # Files are no text, and fewer parts are welcome.
        assert server.upload(path, [("data", "a", b"x" * 5000)], fields[:1]).status == 200
