# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is to be pulled is here before a model is loaded, or the start says what is missing."""

import logging
from pathlib import Path

import pytest

from deepaas.config import load_settings
from deepaas.config.storage import Pull, StorageSettings
from deepaas.errors import ConfigurationError, RemoteFailed
from deepaas.records import ModelSource, SourceKind
from deepaas.wiring import open_service
from deepaas.wiring.storage import pull_all


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return the location of a folder with one file."""
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("RCLONE_CONFIG_HERE_TYPE", "local")
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "weights").write_text("four")
    return f"here:{tmp_path}/remote"


async def test_what_is_missing_ends_the_start_where_it_is_required(
    remote: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good, bad = Pull(remote, tmp_path / "good"), Pull(f"{remote}/none", tmp_path / "bad")
    with pytest.raises(RemoteFailed, match=r"storage-pull, here:.*/none: .*No such file"):
        await pull_all(StorageSettings(pulls=(good, bad)))
    assert (tmp_path / "good" / "weights").read_text() == "four"
    assert "1 files came, 4 bytes" in caplog.text
    await pull_all(StorageSettings(pulls=(bad, good), is_pull_required=False))
    assert "No such file" in caplog.text


async def test_a_remote_that_nobody_knows_ends_the_start_always(tmp_path: Path) -> None:
    pulls = (Pull("nobody-knows-it:x", tmp_path),)
    with pytest.raises(ConfigurationError, match="there is no remote 'nobody-knows-it'"):
        await pull_all(StorageSettings(pulls=pulls, is_pull_required=False))


async def test_a_model_is_loaded_from_what_was_pulled(remote: str, tmp_path: Path) -> None:
    model = tmp_path / "model_of_pulled.py"
    model.write_text(f"said = open({str(tmp_path / 'new' / 'weights')!r}).read()\ndef predict(): 1")
    settings = load_settings(
        [
            f"--state-dir={tmp_path / 'state'}",
            f"--storage-pull={remote}={tmp_path / 'new'}",
            f"--storage-push-artifacts={remote}",
        ]
    )
    sources = [ModelSource("model_of_pulled", SourceKind.FILE, str(model))]
    async with open_service(settings, sources) as service:
        assert (await service.health.readiness()).is_ready
