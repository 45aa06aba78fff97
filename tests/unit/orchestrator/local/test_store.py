# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Deployments are kept as they are, by one orchestrator at a time."""

import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError, StorageUnavailable
from deepaas.orchestrator.local.records import Deployment, Running, Status
from deepaas.orchestrator.local.store import DeploymentStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEPLOYMENT = Deployment(
    uuid="a",
    template="t: \ud800",
    created=NOW,
    updated=NOW + timedelta(1),
    parameters={"a": [1, {"b": None}]},
    status=Status.UPDATE_FAILED,
    reason="why",
    outputs={"x": "y"},
    callback="http://x",
    user_group="g",
    timeout_mins=3,
    processes=(Running("n", 1, "2", "127.0.0.1", 4),),
)


async def test_a_deployment_reads_back_identical_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    store = await DeploymentStore.open(folder)
    await store.put(DEPLOYMENT)
    await store.put(Deployment("b", "", NOW - timedelta(1), NOW))
    await store.close()
    store = await DeploymentStore.open(folder)
    assert await store.get("a") == DEPLOYMENT
    assert await store.get("c") is None
    assert [each.uuid for each in await store.all()] == ["b", "a"]
    assert [each.uuid for each in await store.all(newest_first=True)] == ["a", "b"]
    await store.close()
    mode = stat.S_IMODE((folder / "deployments.sqlite").stat().st_mode)
    assert mode == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_second_orchestrator_is_kept_out(tmp_path: Path) -> None:
    store = await DeploymentStore.open(tmp_path)
    with pytest.raises(ConfigurationError, match="take another --state-dir"):
        await DeploymentStore.open(tmp_path)
    await store.close()
    await (await DeploymentStore.open(tmp_path)).close()


async def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "deployments.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="written by a newer DEEPaaS"):
        await DeploymentStore.open(tmp_path)


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "deployments.sqlite").write_text("something else, and longer than a head" * 10)
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        await DeploymentStore.open(tmp_path)


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        await DeploymentStore.open(tmp_path / "file" / "state")
