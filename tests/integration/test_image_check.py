# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas image check`` with a real service: models of a picture, a text, an old package."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from tests.integration.harness import NO_AUTHORITIES, PATIENCE_S
from tests.service import Service, free_port

SAMPLE = Path(__file__).parents[2] / "examples" / "digits" / "samples" / "7.png"


@dataclass(frozen=True)
class Place:
    """A service, and the file with a key for it."""

    url: str
    key: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Serve the examples to whoever has a key."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch, (folder / "key").open("w") as key:
        patch.setattr(sys, "stdout", key)
        made = ["keys", "create", f"--file={folder / 'keys'}", "--name=ada", "--role=predict"]
        assert main(made) == 0
    port = free_port()
    service = Service(
        [
            *(sys.executable, "-m", "deepaas.cmd.main", "run", "--workers=1"),
            *("--model-name=digits,legacy,minimal", f"--listen-port={port}"),
            *(f"--auth-keys-file={folder / 'keys'}", f"--state-dir={folder / 'state'}"),
        ],
        port=port,
        folder=folder,
        environment={**os.environ, **NO_AUTHORITIES},
        log=folder / "log",
    )
    with service:
        yield Place(f"http://127.0.0.1:{port}", folder / "key")
        assert service.interrupt(limit_s=PATIENCE_S) == []


def check(place: Place, *argv: str) -> int:
    key = f"--token-file={place.key}"
    return main(["image", "check", place.url, key, f"--tries={PATIENCE_S:.0f}", *argv])


def test_all_examples_pass_while_the_service_starts(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has waited for it; pictures, bases and forms are made up."""
    assert check(place) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "good  answers: /v2/models/ is there"
    found = {
        match[1]: match[2]
        for line in lines
        if (match := re.fullmatch(r"good  (\w+): prediction: \d+ bytes of (.+)", line))
    }
    assert found == {
        "digits": "application/json; made up: data",
        "legacy": "application/json; made up: image",
        "minimal": "application/json; made up: sequence",
    }


def test_what_is_given_is_sent(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    picture = ["--input=accept=image/png", f"--input=data=@{SAMPLE}"]
    assert check(place, "--model=digits", *picture) == 0
    assert re.search(r"prediction: \d+ bytes of image/png\n", capsys.readouterr().out)
    assert check(place, "--model=minimal", "--input=sequence=XYZ") == 1
    assert "minimal: prediction: 422" in capsys.readouterr().out


def test_without_a_key_the_remedy_is_told(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEEPAAS_TOKEN", "DEEPAAS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["image", "check", place.url]) == 1
    assert "sign in with the variable DEEPAAS_TOKEN" in capsys.readouterr().out
