# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Real servers on loopback with small models, and a client that sees everything they answer."""

import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.service import Service, free_port

MODELS = Path(__file__).parent / "models"
#: Longer than any promise; it only ends what hangs.
PATIENCE_S = 60.0
#: A server here asks no public one for its certificate, and reading all authorities of a machine,
#: which aiohttp does when it is imported, is a fifth of the processor time of its start.
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: Seconds from the first byte sent to the last one received.
    took_s: float

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def wait_for(what: Callable[[], T], *, limit_s: float = PATIENCE_S) -> T:
    """Return the first true value that ``what`` gives, looking again and again."""
    deadline = time.monotonic() + limit_s
    while not (value := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} stayed {value!r} for {limit_s} s")
        # What is asked, and what is waited for, have two processors with many others.
        time.sleep(0.02)
    return value


class Server(Service):
    """``deepaas-run`` with a model of the folder ``models``."""

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        started = time.monotonic()
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        took_s = time.monotonic() - started
        return Answer(response.status, dict(response.getheaders()), data, took_s)

    def send(self, path: str) -> http.client.HTTPConnection:
        """POST without waiting for the answer; the caller reads it, or closes the connection.

        The server has begun to serve it before it answers any later request.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("POST", path)
        return connection

    def wait_live(self, *, prefix: str = "") -> None:
        """Wait until it answers at all, ready or not."""

        def answers() -> bool:
            try:
                return self.get(f"{prefix}/v2/health/live").status == 200
            except ConnectionError:
                assert self._process.poll() is None, self.output()
                return False

        wait_for(answers)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def predict(self, model: str, **arguments: object) -> Answer:
        """Predict with arguments in the query."""
        query = urllib.parse.urlencode(arguments, doseq=True)
        return self.request("POST", f"/v2/models/{model}/predict/?{query}")

    def predict_json(self, model: str, value: object) -> Answer:
        """Predict with arguments in a JSON body."""
        return self.request(
            "POST",
            f"/v2/models/{model}/predict/",
            body=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )

    def upload(
        self,
        path: str,
        files: Sequence[tuple[str, str, bytes]] = (),
        fields: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a form: files are (field, file name, content)."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
            + text.encode()
            + b"\r\n"
            for name, text in fields
        ] + [
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}";'
                f' filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
            ).encode()
            + content
            + b"\r\n"
            for name, filename, content in files
        ]
        return self.request(
            "POST",
            path,
            body=b"".join(parts) + f"--{boundary}--\r\n".encode(),
            headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                **(headers or {}),
            },
        )

    def train(self, model: str, **arguments: object) -> Any:
        """Start a training and return its record."""
        query = urllib.parse.urlencode(arguments, doseq=True)
        answer = self.request("POST", f"/v2/models/{model}/train/?{query}")
        assert answer.status == 200, answer.text
        return answer.json

    def training(self, model: str, job: str) -> Any:
        """Return a training's record."""
        answer = self.get(f"/v2/models/{model}/train/{job}")
        assert answer.status == 200, answer.text
        return answer.json

    def wait_training(self, model: str, job: str) -> Any:
        """Wait until a training has ended, and return its record."""
        return wait_for(
            lambda: (found := self.training(model, job))["status"] != "running" and found
        )

    def in_background(self, call: Callable[[], Answer]) -> "Future[Answer]":
        """Make a request in a thread."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(call)
        pool.shutdown(wait=False)
        return future

    def running(self, module: str) -> list[psutil.Process]:
        """Return the processes of one of our modules, such as ``worker predict`` or ``guard``."""
        found = []
        for process in self.processes():
            try:
                if f"deepaas.execution.{module}" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def open_files(self) -> int:
        """Return how many descriptors the server's own process has open."""
        return psutil.Process(self.pid).num_fds()

    @property
    def pid(self) -> int:
        """The server's own process."""
        return self._process.pid

    def wait_end(self, *, limit_s: float = PATIENCE_S) -> int:
        """Wait for the server's end and return its exit status."""
        return self._process.wait(limit_s)

    def signal(self, number: int) -> None:
        """Signal the server's process alone."""
        self._process.send_signal(number)

    def end_wrapped(self) -> None:
        """Signal the server where unshare(1) has started it, which ignores what should end it."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            for child in process.children() if process.name() == "unshare" else ():
                child.terminate()


@contextmanager
def serve(
    model: str | Path,
    tmp_path: Path,
    *options: str,
    state_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    wait: bool = True,
    wrapper: Sequence[str] = (),
) -> Iterator[Server]:
    """Run a server until the block ends; what is left of it then is killed.

    Args:
        model: Name of a file in ``models`` without suffix, or a value for ``--model-name``.
        tmp_path: For the log and, unless given, the state directory.
        options: Further options of ``deepaas-run``.
        state_dir: Shared with another server, perhaps.
        environment: Added to this process's.
        wait: Whether to wait until it is ready.
        wrapper: A command that runs the server, such as ``unshare``.
    """
    port = free_port()
    path = MODELS / f"{model}.py"
    with Server(
        [
            *wrapper,
            *(sys.executable, "-m", "deepaas.cmd.run"),
            f"--model-name={path if path.is_file() else model}",
            f"--listen-port={port}",
            f"--state-dir={state_dir or tmp_path / 'state'}",
            *options,
        ],
        port=port,
        folder=tmp_path,
        environment={**os.environ, **NO_AUTHORITIES, **(environment or {})},
        log=tmp_path / f"server-{port}.log",
    ) as server:
        try:
            if wait:
                server.wait_ready(limit_s=PATIENCE_S)
            yield server
        finally:
            # Killing the guard together with the server would leave the uploads behind.
            server.signal(signal.SIGTERM)
            server.end_wrapped()
            server.wait_end()
            wait_for(lambda: not server.running("guard"))


def together(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make the calls at the same time, each in a thread, and return their answers in order."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))
