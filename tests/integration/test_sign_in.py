# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A real server lets in who has a key, as long as it is valid, and nobody else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.harness import Server, serve, wait_for

PREDICT = "/v2/models/predicts_only/predict/"
SWITCH = "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER"


class Guarded(NamedTuple):
    server: Server
    file: Path
    #: A key for predictions, given in the environment as it is.
    key: str


def keys(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deepaas.cmd.main", "keys", *argv],
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "keys"
    keys("create", "--name=first", "--role=read", f"--file={file}")
    key = keys("create", "--name=other", f"--file={folder / 'scratch'}").stdout.strip()
    environment = {"DEEPAAS_API_KEYS": f"other {key} role=predict", SWITCH: "yes"}
    options = (f"--auth-keys-file={file}", "--listen-ip=0.0.0.0")
    with serve("predicts_only", folder, *options, environment=environment) as server:
        yield Guarded(server, file, key)


def status(server: Server, method: str, path: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(method, path, headers=named).status


def test_a_key_opens_what_its_role_says_and_nothing_else(guarded: Guarded) -> None:
    server, _, key = guarded
    answer = server.request("POST", PREDICT)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="deepaas"'
    assert status(server, "POST", PREDICT, X_API_Key=key) == 200
    assert status(server, "POST", PREDICT, Authorization=f"Bearer {key}") == 200
    assert status(server, "POST", PREDICT, X_API_Key=f"{key}x") == 401
    denied = server.request("POST", "/v2/models/predicts_only/train/", headers={"X-API-Key": key})
    assert denied.status == 403
    assert denied.text == (
        "403: You are signed in as key:other and may not train here (model 'predicts_only')."
    )


def test_probes_and_the_page_need_no_key_and_the_documents_do(guarded: Guarded) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/predicts_only/ready", "/api"):
        assert guarded.server.get(path).status == 200
    for path in ("/", "/v2/models/", "/openapi.json", "/swagger.json", "/v2/debug/"):
        assert guarded.server.get(path).status == 401


def test_keys_come_and_go_without_a_restart(guarded: Guarded) -> None:
    server, file, _ = guarded
    key = keys("create", "--name=second", "--role=read", f"--file={file}").stdout.strip()
    wait_for(lambda: status(server, "GET", "/v2/models/", X_API_Key=key) == 200)
    keys("revoke", "second", f"--file={file}")
    wait_for(lambda: status(server, "GET", "/v2/models/", X_API_Key=key) == 401)


def test_the_log_names_no_key_and_does_not_warn_of_everybody(guarded: Guarded) -> None:
    output = guarded.server.output()
    assert "NOBODY SIGNS IN" not in output
    assert "Callers sign in" in output
    assert guarded.key[21:] not in output
