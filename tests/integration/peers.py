# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Issuers of tokens that others have written, as processes; and tokens of theirs."""

import base64
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.authority import Authority
from tests.service import free_port

FOLDER = Path(__file__).parents[1] / "peers"
_PATIENCE_S = 60.0
#: What the peers run on.
_NODE = 20


@dataclass(frozen=True)
class Peer:
    """An issuer that serves."""

    #: What it said of itself when it was ready.
    told: Mapping[str, Any]
    authority: Authority
    process: "subprocess.Popen[str]"

    @property
    def issuer(self) -> str:
        url: str = self.told["issuer"]
        return url

    def token(self, *, client: tuple[str, str] = ("client", "secret"), **form: str) -> str:
        """Ask its token endpoint, and return the access token."""
        pair = ":".join(map(urllib.parse.quote_plus, client))
        request = urllib.request.Request(
            f"{self.issuer}/token",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
        )
        context = self.authority.client_context()
        with urllib.request.urlopen(request, timeout=_PATIENCE_S, context=context) as response:
            token: str = json.load(response)["access_token"]
            return token

    def tell(self) -> Any:
        """Send it a line, and return what it answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def require_node() -> None:
    """Skip the tests of this module where the peers cannot run, and say why."""
    if shutil.which("node") is None:
        pytest.skip("there is no node; install nodejs and npm", allow_module_level=True)
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if int(version.strip().removeprefix("v").partition(".")[0]) < _NODE:
        pytest.skip(
            f"the peers need node {_NODE} or newer, not {version.strip()}", allow_module_level=True
        )
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the peers are not installed; `make test` does it", allow_module_level=True)


@contextmanager
def peer(script: str, authority: Authority) -> Iterator[Peer]:
    """Run one of the scripts in ``tests/peers`` until the block ends."""
    command = ["node", str(FOLDER / script), str(authority.certificate), str(authority.key)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            # It may give notices before, which are no JSON.
            lines = (line for line in process.stdout if line.startswith("{"))
            yield Peer(json.loads(next(lines)), authority, process)
        finally:
            process.kill()


@contextmanager
def mocked_provider(user: Mapping[str, Any]) -> Iterator[str]:
    """Run PyPI's oidc-provider-mock with a user until the block ends, and give its address."""
    port = free_port()
    url = f"http://localhost:{port}"
    command = [
        *(sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"),
        *(f"--port={port}", f"--user-claims={json.dumps(user)}"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            assert any(str(port).encode() in line for line in process.stderr)
            yield url
        finally:
            process.kill()


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: Any) -> None:
        """Follow nothing: the answer is what is looked at."""


def authorized(url: str, sub: str) -> str:
    """Sign in to the mocked provider as a browser would, and return the access token."""
    back = "http://localhost/back"
    asked = {"client_id": "c", "redirect_uri": back, "response_type": "code", "scope": "openid"}
    form = urllib.parse.urlencode({"sub": sub}).encode()
    opener = urllib.request.build_opener(_NoRedirection)
    try:
        opener.open(f"{url}/oauth2/authorize?{urllib.parse.urlencode(asked)}", form)
        raise AssertionError("It does not send the browser back.")
    except urllib.error.HTTPError as answer:
        answer.close()
        query = urllib.parse.urlsplit(answer.headers["Location"]).query
    code = dict(urllib.parse.parse_qsl(query))["code"]
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    request = urllib.request.Request(
        f"{url}/oauth2/token",
        urllib.parse.urlencode(given).encode(),
        {"Authorization": f"Basic {base64.b64encode(b'c:s').decode()}"},
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as response:
        return str(json.load(response)["access_token"])
