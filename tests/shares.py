# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Servers of files on loopback: those that others have written, and those that fail."""

import http.client
import http.server
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service import free_port

PEERS = Path(__file__).parent / "peers" / ".venv" / "bin"
_PATIENCE_S = 60.0
#: With what a shell, an address or a form would change.
PASSWORD = "s e:c%r\u00e9t #1"


@dataclass(frozen=True)
class Share:
    """A server, and the variables that describe it to rclone."""

    port: int
    #: What it serves; ``None`` where that is not in files.
    folder: Path | None
    variables: Mapping[str, str]

    def environ(self, **changes: str) -> dict[str, str]:
        """Return an environment with its variables, some of them changed, and nothing of others."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, **self.variables, **changes}


def peer(name: str) -> str:
    """Return the path of a program of others; without it the test is skipped."""
    program = PEERS / name
    if not program.exists():
        pytest.skip(f"there is no {name}; `make test` installs tests/peers/requirements.txt")
    return str(program)


@contextmanager
def _running(command: Sequence[str], port: int, **environ: str) -> Iterator[None]:
    kept = {name: text for name, text in os.environ.items() if name != "AWS_CA_BUNDLE"}
    with subprocess.Popen(
        command,
        env={**kept, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_listening(process, port)
            yield
        finally:
            process.kill()


def _wait_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S).close()
            return
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.05)


@contextmanager
def webdav(folder: Path) -> Iterator[Share]:
    """Serve a share of the user ada, at both addresses that a NextCloud has."""
    program, port = peer("wsgidav"), free_port()
    served = folder / "share"
    served.mkdir()
    config = folder / "wsgidav.json"
    config.write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "port": port,
                "provider_mapping": {
                    "/remote.php/dav/files/ada": str(served),
                    "/remote.php/webdav": str(served),
                },
                "simple_dc": {"user_mapping": {"*": {"ada": {"password": PASSWORD}}}},
                "http_authenticator": {
                    "accept_basic": True,
                    "accept_digest": False,
                    "default_to_digest": False,
                },
                "logging": {"enable": False},
            }
        )
    )
    variables = {
        "RCLONE_CONFIG_RSHARE_TYPE": "webdav",
        "RCLONE_CONFIG_RSHARE_URL": f"http://127.0.0.1:{port}/remote.php/dav/files/ada",
        "RCLONE_CONFIG_RSHARE_VENDOR": "nextcloud",
        "RCLONE_CONFIG_RSHARE_USER": "ada",
        "RCLONE_CONFIG_RSHARE_PASS_PLAIN": PASSWORD,
    }
    with _running([program, "--config", str(config)], port):
        yield Share(port, served, variables)


@contextmanager
def s3() -> Iterator[Share]:
    """Serve an S3 with one bucket, "models"."""
    program, port = peer("moto_server"), free_port()
    variables = {
        "RCLONE_CONFIG_BUCKETS_TYPE": "s3",
        "RCLONE_CONFIG_BUCKETS_PROVIDER": "Minio",
        "RCLONE_CONFIG_BUCKETS_ENDPOINT": f"http://127.0.0.1:{port}",
        "RCLONE_CONFIG_BUCKETS_REGION": "us-east-1",
        "RCLONE_CONFIG_BUCKETS_ACCESS_KEY_ID": "ada",
        "RCLONE_CONFIG_BUCKETS_SECRET_ACCESS_KEY": PASSWORD,
    }
    with _running([program, "--host", "127.0.0.1", "--port", str(port)], port):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/models", method="PUT")
        urllib.request.urlopen(request, timeout=_PATIENCE_S).close()
        yield Share(port, None, variables)


@contextmanager
def silent() -> Iterator[int]:
    """Give the port of a host that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[int]:
    """Give the port of a server that has one answer to everything."""

    class Answering(Handler):
        def answer(self) -> None:
            self.close_connection = True
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            # Else a client sends its next request into a connection that is about to close.
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with serving(Answering) as port:
        yield port


@contextmanager
def breaking(behind: int, methods: Sequence[str], times: int) -> Iterator[int]:
    """Give the port of a proxy that breaks off some requests in the middle of their bodies.

    Args:
        behind: Port of the server behind it.
        methods: ``GET``, in whose answers it stops, or ``PUT``, which it does not read to the end.
        times: So many requests; it passes on those after them.
    """
    left = [times]

    class Breaking(Handler):
        def answer(self) -> None:
            is_broken = self.command in methods and left[0] > 0
            left[0] -= is_broken
            length = int(self.headers.get("Content-Length") or 0)
            self.close_connection = True
            if is_broken and self.command == "PUT":
                self.rfile.read(length // 2)
                return
            self._pass_on(self.rfile.read(length), cut=is_broken)

        def _pass_on(self, body: bytes, *, cut: bool) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", behind, timeout=_PATIENCE_S)
            kept = {name: text for name, text in self.headers.items() if name != "Expect"}
            connection.request(self.command, self.path, body, kept)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, text in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)

    with serving(Breaking) as port:
        yield port


class Handler(http.server.BaseHTTPRequestHandler):
    """Has one method for all requests."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[int]:
    """Give the port of a server of these."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
