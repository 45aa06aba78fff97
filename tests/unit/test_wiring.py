# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The whole service opens with what can be used, says what cannot, and closes."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from deepaas.auth import Policy, Principal
from deepaas.config import Settings, load_settings
from deepaas.errors import EndpointDisabled, ModelLoadError, StorageUnavailable
from deepaas.records import ModelSource, SourceKind
from deepaas.service import queueing
from deepaas.service.incoming import Incoming
from deepaas.wiring import loading, open_service
from tests.unit.parts import PATIENCE_S, eventually, open_fds, threads_in, until

ANYONE = Principal(None, frozenset(Policy))
GOOD = "def predict(): return 1\ndef train(): return 2"
BAD = "raise ValueError('not today')"


def settings(tmp_path: Path, *options: str) -> Settings:
    return load_settings([f"--state-dir={tmp_path / 'state'}", *options])


def sources(tmp_path: Path, **models: str) -> Sequence[ModelSource]:
    """Write models and return them."""
    found = []
    for name, text in models.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        found.append(ModelSource(name, SourceKind.FILE, str(path)))
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> object:
    """Check that no process is left running."""
    yield
    children = psutil.Process().children()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert alive == []


async def test_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="None of the installed models"):
        async with open_service(settings(tmp_path), []):
            pass


@pytest.mark.parametrize("named", [True, False])
async def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path: Path, named: bool) -> None:
    """If it was named, or if there is no other."""
    models = {"wiring_bad": BAD, **({"wiring_good": GOOD} if named else {})}
    options = ["--model-name=wiring_bad,wiring_good"] if named else []
    with pytest.raises(ModelLoadError, match="not today") as caught:
        async with open_service(settings(tmp_path, *options), sources(tmp_path, **models)):
            pass
    assert caught.value.name == "wiring_bad"


async def test_an_installed_model_that_cannot_be_loaded_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = sources(tmp_path, wiring_bad=BAD, wiring_good=GOOD)
    async with open_service(settings(tmp_path), models) as service:
        assert service.models.names() == ("wiring_good",)
        readiness = await service.health.readiness()
        assert not readiness.is_ready
        reasons = {model.name: model.reason for model in readiness.models}
        assert reasons["wiring_good"] is None
        assert "not today" in (reasons["wiring_bad"] or "")
        prediction = await service.predictions.predict("wiring_good", Incoming(), request_id="")
        assert prediction.body == b'{"status":"OK","predictions":1}'
    assert "ValueError: not today" in caplog.text


@pytest.mark.parametrize("what", ["state", "jobs.sqlite", "servers", "jobs"])
async def test_a_state_directory_that_cannot_be_used_stops_only_trainings(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    if what == "state":
        state.write_text("no directory")
    elif what == "jobs.sqlite":
        state.mkdir()
        (state / what).write_text("no database" * 1000)
    else:
        state.mkdir()
        (state / what).write_text("no directory")
    before = open_fds()
    models = sources(tmp_path, wiring_good=GOOD)
    async with open_service(settings(tmp_path), models) as service:
        await service.predictions.predict("wiring_good", Incoming(), request_id="")
        with pytest.raises(StorageUnavailable):
            await service.jobs.train("wiring_good", Incoming(), principal=ANYONE, request_id="")
        readiness = await service.health.readiness()
        assert readiness.is_ready
        assert readiness.trainings is not None
    assert "--state-dir" in caplog.text
    assert str(state) in caplog.text
    assert open_fds() <= before + 1  # the loop's threads may keep one


async def test_everything_works_and_closes(tmp_path: Path) -> None:
    models = sources(tmp_path, wiring_good=GOOD)
    options = ["--workers=2", "--nowarm", "--keep-trainings"]
    async with open_service(settings(tmp_path, *options), models) as service:
        assert service.uploads.is_dir()
        assert (await service.health.readiness()).models[0].workers == 2
        job = await service.jobs.train("wiring_good", Incoming(), principal=ANYONE, request_id="")
        found = await eventually(
            lambda: service.jobs.get("wiring_good", job.id, ANYONE),
            lambda found: found.state.is_final,
        )
        assert found.result == "2"
    assert not service.uploads.exists()
    async with open_service(settings(tmp_path), models) as again:
        assert [found.id for found in await again.jobs.list("wiring_good", ANYONE)] == [job.id]


async def test_jobs_that_ended_too_long_ago_are_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = sources(tmp_path, wiring_old=GOOD)
    caplog.set_level(logging.INFO)
    async with open_service(settings(tmp_path), models) as service:
        old, young = [
            await service.jobs.train("wiring_old", Incoming(), principal=ANYONE, request_id="")
            for _ in range(2)
        ]
        for job in (old, young):
            await eventually(
                lambda job=job: service.jobs.get("wiring_old", job.id, ANYONE),  # type: ignore[misc]
                lambda found: found.state.is_final,
            )
    with closing(sqlite3.connect(tmp_path / "state" / "jobs.sqlite")) as connection, connection:
        values = {"finished": "2026-01-01T00:00:00.000000+00:00", "id": old.id}
        connection.execute("UPDATE jobs SET finished = :finished WHERE id = :id", values)
    options = ["--jobs-max-age=1h", "--jobs-max-count=9", "--jobs-max-size=1TB"]
    async with open_service(settings(tmp_path, *options), models) as again:
        await eventually(lambda: again.jobs.list("wiring_old", ANYONE), lambda jobs: len(jobs) == 1)
        assert [job.id for job in await again.jobs.list("wiring_old", ANYONE)] == [young.id]
    assert [path.name for path in (tmp_path / "state" / "jobs").iterdir()] == [young.id]
    assert f"Removed job {old.id} of model wiring_old" in caplog.text


async def test_the_folder_of_the_jobs_is_not_made_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = threads_in(monkeypatch, "mkdir", tmp_path / "state" / "jobs")
    async with open_service(settings(tmp_path), sources(tmp_path, wiring_folder=GOOD)):
        pass
    assert threads
    assert threading.current_thread() not in threads


async def test_predictions_and_trainings_can_be_switched_off(tmp_path: Path) -> None:
    options = ["--nopredict-endpoint", "--notrain-endpoint"]
    models = sources(tmp_path, wiring_good=GOOD)
    async with open_service(settings(tmp_path, *options), models) as service:
        with pytest.raises(EndpointDisabled):
            await service.predictions.predict("wiring_good", Incoming(), request_id="")
        with pytest.raises(EndpointDisabled):
            await service.jobs.list("wiring_good", ANYONE)


async def test_a_state_directory_of_a_newer_version_is_told_though_it_comes_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "_OPEN_AGAIN_S", 0.01)
    state = tmp_path / "state"
    state.mkdir()
    (state / "servers").write_text("no directory")
    models = sources(tmp_path, wiring_good=GOOD)
    async with open_service(settings(tmp_path), models) as service:
        with closing(sqlite3.connect(state / "jobs.sqlite")) as connection:
            connection.execute("PRAGMA user_version = 1000")
        await until(lambda: "written by a newer DEEPaaS" in caplog.text)
        assert (await service.health.readiness()).trainings is not None
        with pytest.raises(StorageUnavailable, match="newer"):
            await service.jobs.train("wiring_good", Incoming(), principal=ANYONE, request_id="")


async def test_who_waits_for_a_queued_prediction_is_told_of_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "_LOOK_S", PATIENCE_S * 2)
    go = tmp_path / "go"
    text = f"""
import pathlib, time
def predict():
    while not pathlib.Path({str(go)!r}).exists():
        time.sleep(0.01)
    return 1
"""
    models = sources(tmp_path, wiring_waits=text)
    async with open_service(settings(tmp_path), models) as service:
        job = await service.queue.accept(
            "wiring_waits", Incoming(), principal=ANYONE, request_id="r"
        )
        waiting = asyncio.create_task(service.queue.wait("wiring_waits", job.id, PATIENCE_S * 2))
        await until(lambda: service.queue._waiters._events)
        go.touch()
        async with asyncio.timeout(PATIENCE_S):
            assert await waiting
