# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A copy that is made while the service runs, as the documentation says, is whole."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.harness import serve
from tests.integration.place import MODEL, Place


def copy_by_api(database: Path, copy: Path) -> None:
    """Do what ``.backup`` of SQLite's shell does."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def copy_by_vacuum(database: Path, copy: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))


@pytest.mark.parametrize("copy_store", [copy_by_api, copy_by_vacuum])
def test_a_copy_made_while_the_service_runs_can_be_put_in_its_place(
    tmp_path: Path, copy_store: Callable[[Path, Path], None]
) -> None:
    place = Place(tmp_path / "first")
    restored = Place(tmp_path / "second")
    copy = tmp_path / "copy"
    copy.mkdir()
    place.gate.touch()
    with place.serve() as server:
        done = server.wait_training(MODEL, place.train(server))
        place.gate.unlink()
        running = place.train_until_it_runs(server)
        queued = place.train(server)
        copy_store(place.state.path / "jobs.sqlite", copy / "jobs.sqlite")
        shutil.copytree(place.state.path / "jobs", copy / "jobs")
        later = place.train(server)
    place.gate.touch()
    shutil.rmtree(restored.state.path)
    shutil.copytree(copy, restored.state.path)
    with serve(MODEL, restored.folder, state_dir=restored.state.path) as server:
        ended = server.wait_training(MODEL, queued)
        assert ended["status"] == "done"
        shown = {job["uuid"]: job for job in server.get(f"/v2/models/{MODEL}/train/").json}
        assert shown.keys() == {done["uuid"], running, queued}
        assert server.training(MODEL, done["uuid"]) == done
        assert shown[running]["message"].startswith("interrupted: ")
        assert server.get(f"/v2/models/{MODEL}/train/{later}").status == 404
    lines = restored.state.directory(done["uuid"]).events.read_text().splitlines()
    assert json.loads(lines[-1])["state"] == "done"
