# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A bucket of S3 that lives for a test: PyPI's moto, which asks for no signature."""

import html
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, wait_for
from tests.service import free_port

PROGRAMS = Path(__file__).parents[1] / "peers" / ".venv" / "bin"
_HEADERS = {
    # A form would be read by the server itself.
    "Content-Type": "application/octet-stream",
    # Signed by nobody, but signed: what others have stored is not for strangers.
    "Authorization": "AWS4-HMAC-SHA256 Credential=anybody/20260101/us-east-1/s3/aws4_request",
}
_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)


def require_program(name: str) -> Path:
    """Return a program of others; skip the tests where it is not installed, and say why."""
    path = PROGRAMS / name
    if not path.exists():
        pytest.skip(f"there is no {name}; `make test` installs it", allow_module_level=True)
    return path


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what lies in it."""

    endpoint: str
    name: str

    def create(self) -> None:
        """Make the bucket itself."""
        self._request("PUT", "")

    def put(self, key: str, content: bytes) -> None:
        """Put an object."""
        self._request("PUT", f"/{urllib.parse.quote(key)}", content)

    def get(self, key: str) -> bytes:
        """Return an object."""
        return self._request("GET", f"/{urllib.parse.quote(key)}")

    def keys(self, prefix: str) -> list[str]:
        """Return the names of the objects that begin so."""
        answer = self._request("GET", f"?list-type=2&prefix={urllib.parse.quote(prefix)}")
        return [html.unescape(key) for key in _KEY.findall(answer.decode())]

    def _request(self, method: str, path: str, content: bytes | None = None) -> bytes:
        url = f"{self.endpoint}/{self.name}{path}"
        request = urllib.request.Request(url, content, _HEADERS, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            body: bytes = response.read()
            return body


@contextmanager
def bucket(name: str, folder: Path) -> Iterator[Bucket]:
    """Run a server with one bucket until the block ends.

    Args:
        name: Of the bucket, three characters or more.
        folder: Takes the log.
    """
    program = require_program("moto_server")
    port = free_port()
    # A bundle of its own would be read for a server that has no TLS.
    environment = {key: text for key, text in os.environ.items() if key != "AWS_CA_BUNDLE"}
    with (
        (folder / "moto.log").open("wb") as log,
        subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        made = Bucket(f"http://127.0.0.1:{port}", name)

        def is_made() -> bool:
            assert process.poll() is None, (folder / "moto.log").read_text()
            try:
                made.create()
            except urllib.error.URLError:
                return False
            return True

        try:
            wait_for(is_made)
            yield made
        finally:
            process.kill()
