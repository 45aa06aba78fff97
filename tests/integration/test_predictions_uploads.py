# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Uploaded files reach the model, and are gone when their call has ended, whatever ended it."""

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Answer, Server, wait_for
from tests.integration.signals import Signals, serve_signalling

KEEPS = "keeps_uploads_paths"
PREDICT = f"/v2/models/{KEEPS}/predict/"
HALF = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.png"\r\n\r\n'
) % PREDICT.encode() + b"x" * 1_000_000
RAW_HALF = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
    b"Content-Type: image/png\r\n\r\n"
) % PREDICT.encode() + b"x" * 1_000_000


class Served:
    """A server, its signals, and the folder in which its uploads lie."""

    def __init__(self, server: Server, signals: Signals, temporary: Path) -> None:
        self.server = server
        self.signals = signals
        self._temporary = temporary

    def uploads(self) -> list[Path]:
        """Return what is in the folder of uploads."""
        [folder] = self._temporary.glob("deepaas-*")
        return list(folder.iterdir())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("uploads")
    temporary = folder / "temporary"
    temporary.mkdir()
    with serve_signalling(KEEPS, folder, environment={"TMPDIR": str(temporary)}) as both:
        yield Served(*both, temporary)


@pytest.fixture(autouse=True)
def nothing_is_left(served: Served) -> Iterator[None]:
    yield
    wait_for(lambda: not served.uploads())


@pytest.mark.row("C35", "C40")
@pytest.mark.parametrize("size", [0, 3, 5_000_000])
def test_an_upload_reaches_the_model_with_its_content_suffix_and_names(
    served: Served, size: int
) -> None:
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    answer = served.server.upload(PREDICT, [("data", "my cat.tar.PNG", content)])
    told = answer.json["predictions"]
    assert (told["size"], told["sum"]) == (size, sum(content))
    assert told["name"] == "my cat.tar.PNG"
    assert told["type"] == "application/octet-stream"
    assert told["path"].endswith(".PNG")
    assert not Path(told["path"]).exists()


@pytest.mark.parametrize("filename", ["../../etc/passwd", "/etc/passwd.png", "a/b.p/ng", "…"])
def test_a_clients_file_name_is_no_path(served: Served, filename: str) -> None:
    answer = served.server.upload(PREDICT, [("data", filename, b"abc")])
    told = answer.json["predictions"]
    assert told["size"] == 3
    assert "etc" not in told["path"]
    assert Path(told["path"]).parent.name.startswith("deepaas-")


def raw(served: Served, content: bytes, query: str = "", **headers: str) -> Answer:
    """Send a body that is the file."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return served.server.request("POST", PREDICT + query, body=content, headers=given)


@pytest.mark.parametrize("size", [1, 60_000, 5_000_000])
@pytest.mark.parametrize("kind", ["image/png", "text/plain; charset=x", "multipart/mixed"])
def test_a_body_of_another_kind_is_the_file(served: Served, size: int, kind: str) -> None:
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    told = raw(served, content, Content_Type=kind).json["predictions"]
    assert (told["size"], told["sum"]) == (size, sum(content))
    assert (told["name"], told["type"]) == (None, kind)
    assert not Path(told["path"]).exists()


@pytest.mark.parametrize(
    ("disposition", "name", "suffix"),
    [
        ('attachment; filename="my cat.PNG"', "my cat.PNG", ".PNG"),
        ("inline; filename*=UTF-8''%C3%A9.wav", "é.wav", ".wav"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd", ""),
        ("attachment", None, ""),
        ("; ;=", None, ""),
    ],
)
def test_a_header_names_the_file_of_a_raw_body(
    served: Served, disposition: str, name: str | None, suffix: str
) -> None:
    answer = raw(served, b"abc", Content_Type="audio/wav", Content_Disposition=disposition)
    told = answer.json["predictions"]
    assert told["name"] == name
    assert Path(told["path"]).suffix == suffix
    assert Path(told["path"]).parent.name.startswith("deepaas-")


def test_other_arguments_of_a_raw_body_stand_in_the_query(served: Served) -> None:
    assert raw(served, b"abc", "?then=raise", Content_Type="image/png").status == 500


def test_a_raw_body_without_a_type_is_a_file_too(served: Served) -> None:
    told = raw(served, b"abc").json["predictions"]
    assert (told["size"], told["type"]) == (3, None)


def test_an_empty_body_is_no_file(served: Served) -> None:
    assert raw(served, b"", Content_Type="image/png").status == 422
    chunked = raw(served, b"0\r\n\r\n", Content_Type="image/png", Transfer_Encoding="chunked")
    assert chunked.status == 422


@pytest.mark.row("C39")
@pytest.mark.parametrize(
    ("then", "status"),
    [("remove", 200), ("replace by a folder", 200), ("raise", 500), ("die", 503)],
)
def test_an_upload_is_gone_after_its_call_however_it_ended(
    served: Served, then: str, status: int
) -> None:
    answer = served.server.upload(PREDICT, [("data", "cat.png", b"abc")], [("then", then)])
    assert answer.status == status
    if then == "replace by a folder":
        [left] = served.uploads()
        left.rmdir()
    # Another call works, and its own file goes.
    assert served.server.upload(PREDICT, [("data", "cat.png", b"abc")]).status == 200


def test_an_upload_is_gone_when_its_worker_was_killed(served: Served) -> None:
    [worker] = served.server.running("worker predict")
    before = len(served.signals.notes("/"))
    call = served.server.in_background(
        lambda: served.server.upload(PREDICT, [("data", "cat.png", b"abc")], [("then", "wait")])
    )
    path = served.signals.wait_note("/", count=before + 1)[-1]
    assert Path("/" + path).exists()
    os.kill(worker.pid, signal.SIGKILL)
    assert call.result().status == 503
    wait_for(lambda: not Path("/" + path).exists())


def test_an_upload_is_gone_when_validation_refused_the_call(served: Served) -> None:
    answer = served.server.upload(PREDICT, [("other", "cat.png", b"abc")])
    assert answer.status == 422
    assert "data" in answer.json


@pytest.mark.parametrize("half", [HALF, RAW_HALF], ids=["form", "raw"])
def test_an_upload_of_a_client_that_vanished_in_its_middle_is_gone(
    served: Served, half: bytes
) -> None:
    before = len(served.signals.notes("/"))
    with socket.create_connection(("127.0.0.1", served.server.port)) as connection:
        connection.sendall(half)
        wait_for(lambda: served.uploads())
    wait_for(lambda: not served.uploads())
    assert len(served.signals.notes("/")) == before


def test_an_upload_whose_call_waits_in_the_queue_is_gone_when_its_client_leaves(
    served: Served,
) -> None:
    """The call before it runs on; its own client has left too."""
    [worker] = served.server.running("worker predict")
    count = len(served.signals.notes("/"))
    boundary = b"x"
    body = (
        b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.png"\r\n\r\nabc\r\n'
        b'--x\r\nContent-Disposition: form-data; name="then"\r\n\r\nwait\r\n--x--\r\n'
    )
    connections = []
    for number in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", served.server.port)
        connection.request(
            "POST",
            PREDICT,
            body=body,
            headers={"Content-Type": "multipart/form-data; boundary=" + boundary.decode()},
        )
        connections.append(connection)
        wait_for(lambda n=number: len(served.uploads()) == n + 1)  # type: ignore[misc]
    running = Path("/" + served.signals.wait_note("/", count=count + 1)[-1])
    for connection in connections:
        connection.close()
    # A running call keeps its file, although nobody waits for its answer.
    wait_for(lambda: served.uploads() == [running])
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not served.uploads())
    assert len(served.signals.notes("/")) == count + 1
