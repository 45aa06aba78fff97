# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings run where the usual state directory cannot be written, and lose what they must."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deepaas.auth import Policy, Principal
from deepaas.config import load_settings
from deepaas.records import JobState, ModelSource, SourceKind
from deepaas.service.incoming import Incoming
from deepaas.wiring import open_service
from deepaas.wiring.place import find_state_dir
from tests.unit.parts import eventually

ANYONE = Principal(None, frozenset(Policy))
WAITS = """
import deepaas, pathlib, time

def train():
    deepaas.progress(0, 1)
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
    return 2
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody can make anything below it, not even root."""
    file = tmp_path / "home"
    file.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(file))
    return file


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


async def test_the_usual_directory_is_taken_where_it_can_be_made(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new"))
    async with AsyncExitStack() as stack:
        found = await find_state_dir(load_settings([]), stack, scratch)
        assert found == tmp_path / "new" / "deepaas"
    assert list(found.iterdir()) == list(scratch.iterdir()) == []
    assert found.stat().st_mode & 0o777 == 0o700
    assert caplog.text == ""


async def test_one_that_was_named_is_never_replaced(
    home: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        settings = load_settings([f"--state-dir={home / 'state'}"])
        assert await find_state_dir(settings, stack, scratch) == home / "state"
        assert list(scratch.iterdir()) == []
    assert caplog.text == ""


async def test_one_that_cannot_be_made_is_replaced_for_this_run(
    home: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        found = await find_state_dir(load_settings([]), stack, scratch)
        assert [found] == list(scratch.iterdir())
        assert found.stat().st_mode & 0o777 == 0o700
        (record,) = caplog.records
        for told in (str(home / "deepaas"), "Not a directory", str(found), "lost", "--state-dir"):
            assert told in record.getMessage()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["jobs", "servers", "jobs.sqlite"])
async def test_one_that_holds_what_cannot_be_used_is_replaced(
    name: str,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "deepaas").mkdir()
    (tmp_path / "deepaas" / name).symlink_to(tmp_path / "not-mounted")
    async with AsyncExitStack() as stack:
        found = await find_state_dir(load_settings([]), stack, scratch)
        assert found.parent == scratch
    assert f"{name} in it cannot be read and written" in caplog.text


async def test_artifacts_that_are_still_to_be_pushed_stay(
    home: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        found = await find_state_dir(load_settings([]), stack, scratch)
        for name in ("pushed", "marked"):
            (found / "jobs" / name).mkdir(parents=True)
        (found / "jobs" / "marked" / "push.json").write_text('{"model": "m"}')
        (found / "jobs" / "a-file").touch()  # nothing of ours
    assert (found / "jobs" / "marked" / "push.json").exists()
    assert f"{found} is left behind: artifacts there were not pushed" in caplog.text


async def test_trainings_that_are_kept_go_on_and_can_be_followed(
    home: Path, scratch: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate, file = tmp_path / "gate", tmp_path / "place_waits.py"
    file.write_text(WAITS.format(gate=str(gate)))
    models = [ModelSource("place_waits", SourceKind.FILE, str(file))]
    async with open_service(load_settings(["--keep-trainings"]), models) as service:
        assert (await service.health.readiness()).trainings is None
        job = await service.jobs.train("place_waits", Incoming(), principal=ANYONE, request_id="")
        await eventually(
            lambda: service.jobs.get("place_waits", job.id, ANYONE),
            lambda found: found.state is JobState.RUNNING,
        )
    (left,) = scratch.iterdir()
    assert f"{left} is left behind: trainings go on there" in caplog.text
    gate.touch()
    async with open_service(load_settings([f"--state-dir={left}"]), models) as again:
        found = await eventually(
            lambda: again.jobs.get("place_waits", job.id, ANYONE),
            lambda found: found.state.is_final,
        )
    assert found.state is JobState.DONE
    assert found.result == "2"
