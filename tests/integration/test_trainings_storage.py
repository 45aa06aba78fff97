# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Storage that fails, directories that vanish, and a server that is the first process of all."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.harness import Answer, Server, serve, wait_for
from tests.integration.namespaces import needs_mounts, needs_pids
from tests.integration.place import MODEL, Place, guard_of

FILES = "reads_files_in_train"
TRAIN = f"/v2/models/{MODEL}/train/"


def queue(server: Server) -> Answer:
    """Queue a prediction."""
    path = f"/v2/models/{MODEL}/predict/"
    return server.request("POST", path, headers={"Prefer": "respond-async"})


def assert_predicts_and_refuses_to_train(server: Server, *statuses: int) -> None:
    refused = server.request("POST", f"{TRAIN}?gate=/dev/null")
    assert refused.status in statuses, refused.text
    assert "storage" in refused.text
    assert str(os.sep) not in refused.text
    assert server.predict(MODEL).status == 200
    ready = server.get("/v2/health/ready")
    assert ready.status == 200
    assert "storage" in ready.json["trainings"]


def test_without_a_usable_state_directory_predictions_are_served(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with serve(MODEL, tmp_path, state_dir=tmp_path / "file" / "state") as server:
        assert_predicts_and_refuses_to_train(server, 503)
        assert queue(server).status == 503
        for answer in (server.get(TRAIN), server.get(f"{TRAIN}{'0' * 32}")):
            assert answer.status == 503
        assert str(tmp_path / "file") in server.output()


def test_without_a_home_directory_trainings_are_kept_until_the_server_ends(tmp_path: Path) -> None:
    """As in a container whose file system is read-only, or whose user it does not know."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    environment = {"HOME": os.devnull, "XDG_STATE_HOME": "", "TMPDIR": str(scratch)}
    with serve(FILES, tmp_path, "--state-dir=", environment=environment) as server:
        assert server.get("/v2/health/ready").json["trainings"] is None
        url = f"/v2/models/{FILES}/train/"
        accepted = server.upload(url, [("data", "name", b"content")])
        ended = server.wait_training(FILES, accepted.json["uuid"])
        assert ended["result"]["output"]["content"] == "content"
        assert server.get(url).json == [ended]
        assert server.delete(f"{url}{ended['uuid']}").json == ended
        assert server.get(url).json == []
        assert server.output().count("--state-dir") == 1
        server.signal(signal.SIGTERM)
        assert server.wait_end() == 0
    assert list(scratch.iterdir()) == []


def test_trainings_are_taken_once_the_state_directory_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with serve(MODEL, tmp_path, state_dir=tmp_path / "file" / "state") as server:
        assert_predicts_and_refuses_to_train(server, 503)
        (tmp_path / "file").unlink()
        (tmp_path / "file").mkdir()
        wait_for(lambda: server.get("/v2/health/ready").json["trainings"] is None)
        training = server.train(MODEL, gate="/dev/null")
        assert server.wait_training(MODEL, training["uuid"])["status"] == "done"


class Disk:
    """A small file system that only one server sees, and this test through ``/proc``."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._inside = Path(f"/proc/{server.pid}/root{folder}")

    @property
    def jobs(self) -> Path:
        return self._inside / "state" / "jobs"

    def fill(self, *, but_for: int = 0) -> None:
        """Take all space, or all but for so many bytes."""
        with (
            Path("/dev/zero").open("rb") as zeros,
            (self._inside / "filler").open("wb", buffering=0) as filler,
            pytest.raises(OSError, match="No space left"),
        ):
            shutil.copyfileobj(zeros, filler)
        if but_for:
            os.truncate(self._inside / "filler", (self._inside / "filler").stat().st_size - but_for)

    def free(self) -> None:
        (self._inside / "filler").unlink()


@contextmanager
def serve_on_a_disk(
    model: str, tmp_path: Path, *options: str, prepare: str = ":"
) -> Iterator[tuple[Server, Disk]]:
    """Run a server whose state directory lies on a file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    script = f'mount -t tmpfs -o size=4m none "$0" && {{ {prepare}; }} && exec "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", script, str(folder))
    with serve(model, tmp_path, *options, state_dir=folder / "state", wrapper=wrapper) as server:
        yield server, Disk(folder, server)


@needs_mounts
def test_on_a_full_disk_trainings_are_refused_and_resume_when_there_is_space(
    tmp_path: Path,
) -> None:
    with serve_on_a_disk(MODEL, tmp_path) as (server, disk):
        assert server.get("/v2/health/ready").json["trainings"] is None
        disk.fill()
        assert_predicts_and_refuses_to_train(server, 507)
        assert queue(server).status == 507
        assert list(disk.jobs.iterdir()) == []
        disk.free()
        assert queue(server).status == 202
        training = server.train(MODEL, gate="/dev/null")
        assert server.wait_training(MODEL, training["uuid"])["status"] == "done"
        assert server.get("/v2/health/ready").json["trainings"] is None
        assert [job["uuid"] for job in server.get(TRAIN).json] == [training["uuid"]]


@needs_mounts
def test_on_a_full_disk_trainings_can_be_removed(tmp_path: Path) -> None:
    with serve_on_a_disk(MODEL, tmp_path) as (server, disk):
        ids = [str(server.train(MODEL, gate="/dev/null")["uuid"]) for _ in range(2)]
        for uuid in ids:
            assert server.wait_training(MODEL, uuid)["status"] == "done"
        for uuid in ids:
            disk.fill()
            removed = server.delete(f"/v2/models/{MODEL}/jobs/{uuid}")
            assert removed.status == 204, removed.text
            disk.free()
            # The next look of the server's takes the space again.
            wait_for((disk.jobs.parent / "jobs.sqlite-reserve").exists)
        assert list(disk.jobs.iterdir()) == []
        assert server.get(TRAIN).json == []


@needs_mounts
def test_with_less_space_than_asked_for_none_is_taken_and_the_running_one_goes_on(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    with serve_on_a_disk(MODEL, tmp_path, "--jobs-min-free=1MiB") as (server, disk):
        running = str(server.train(MODEL, gate=gate)["uuid"])
        wait_for((disk.jobs / running / "log").exists)
        disk.fill(but_for=512 * 1024)
        assert_predicts_and_refuses_to_train(server, 507)
        assert [path.name for path in disk.jobs.iterdir()] == [running]
        assert "--jobs-min-free" in server.output()
        gate.touch()
        assert server.wait_training(MODEL, running)["status"] == "done"
        retry = f"/v2/models/{MODEL}/jobs/{running}/retry"
        assert server.request("POST", retry).status == 507
        disk.free()
        again = server.request("POST", retry)
        assert again.status == 201, again.text
        assert server.wait_training(MODEL, again.json["id"])["status"] == "done"
        assert server.get("/v2/health/ready").json["trainings"] is None


@needs_mounts
def test_an_input_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with serve_on_a_disk(FILES, tmp_path) as (server, disk):
        url = f"/v2/models/{FILES}/train/"
        refused = server.upload(url, [("data", "big", bytes(8 * 1024 * 1024))])
        assert refused.status == 507, refused.text
        assert list(disk.jobs.iterdir()) == []
        assert server.get(url).json == []
        accepted = server.upload(url, [("data", "small", b"it fits")])
        ended = server.wait_training(FILES, accepted.json["uuid"])
        assert ended["result"]["output"]["content"] == "it fits"


@needs_mounts
@pytest.mark.parametrize("is_named", [True, False])
def test_a_disk_that_is_full_at_the_start_only_stops_trainings(
    tmp_path: Path, is_named: bool
) -> None:
    """Also in the usual state directory: what is kept there counts more than to train now."""
    fill = 'cat /dev/zero > "$0/filler" 2> /dev/null || true'
    usual = f'{fill}; export XDG_STATE_HOME="$0"'
    options, prepare = ((), fill) if is_named else (("--state-dir=",), usual)
    with serve_on_a_disk(MODEL, tmp_path, *options, prepare=prepare) as (server, _):
        assert_predicts_and_refuses_to_train(server, 503, 507)


@needs_mounts
def test_a_training_that_ends_on_a_full_disk_is_done_once_there_is_space(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    # This model prints nothing: what prints fails by itself on a full disk.
    with serve_on_a_disk(FILES, tmp_path) as (server, disk):
        accepted = server.upload(
            f"/v2/models/{FILES}/train/", [("data", "name", b"content")], [("gate", str(gate))]
        )
        uuid = accepted.json["uuid"]
        directory = disk.jobs / uuid
        wait_for((directory / "log").exists)
        disk.fill()
        changed = directory.stat().st_mtime_ns
        gate.touch()
        # It tried to write its outcome, and took back what it could not finish.
        wait_for(lambda: directory.stat().st_mtime_ns != changed)
        assert not (directory / "outcome.json").exists()
        assert server.training(FILES, uuid)["status"] == "running"
        disk.free()
        ended = server.wait_training(FILES, uuid)
        assert ended["status"] == "done"
        assert ended["result"]["output"]["content"] == "content"


def test_a_queued_job_whose_directory_was_removed_is_an_error_and_the_next_one_runs(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    with place.serve() as server:
        running = place.train_until_it_runs(server)
        removed, behind = place.train(server), place.train(server)
        shutil.rmtree(place.state.directory(removed).path)
        place.gate.touch()
        for uuid in (running, behind):
            assert server.wait_training(MODEL, uuid)["status"] == "done"
        ended = server.training(MODEL, removed)
        assert ended["status"] == "error"
        assert "directory was removed" in ended["message"]
        assert server.delete(f"{TRAIN}{removed}").json == ended
    assert place.state.moves(removed) == ["error"]
    assert place.runs() == [running, behind]


@pytest.mark.parametrize("is_adopted", [False, True])
def test_a_running_job_whose_directory_was_removed_is_an_error_and_frees_its_slot(
    tmp_path: Path, is_adopted: bool
) -> None:
    place = Place(tmp_path)
    with place.serve() as first:
        uuid = place.train_until_it_runs(first)
        if is_adopted:
            first.signal(signal.SIGKILL)
            first.wait_end()
        with place.serve() as second:
            shutil.rmtree(place.state.directory(uuid).path)
            ended = second.wait_training(MODEL, uuid)
            assert ended["status"] == "error"
            assert "directory was removed" in ended["message"]
            assert place.state.processes(uuid) == []
            place.gate.touch()
            behind = place.train(second)
            assert second.wait_training(MODEL, behind)["status"] == "done"
    assert place.state.moves(uuid) == ["running", "error"]


@needs_pids
def test_a_server_that_is_process_1_trains_and_ends_clean(tmp_path: Path) -> None:
    place = Place(tmp_path)
    model = "starts_processes_in_train"
    wrapper = ("unshare", "--pid", "--fork", "--mount-proc")
    with serve(model, tmp_path, state_dir=place.state.path, wrapper=wrapper) as unshare:
        (server,) = (one for one in unshare.processes() if one.ppid() == unshare.pid)

        def train_until_it_runs() -> str:
            uuid = str(unshare.train(model, gate=place.gate)["uuid"])
            wait_for(lambda: len(place.state.processes(uuid)) == 4)
            return uuid

        first = train_until_it_runs()
        guard_of(unshare).kill()
        message = unshare.wait_training(model, first)["message"]
        assert message.startswith("interrupted: ")
        # What the guard left behind came to the server, as the first process, and was reaped.
        wait_for(lambda: all(child.status() != "zombie" for child in server.children()))
        second = train_until_it_runs()
        place.gate.touch()
        assert unshare.wait_training(model, second)["status"] == "done"
        place.gate.unlink()
        third = train_until_it_runs()
        server.send_signal(signal.SIGTERM)
        assert unshare.wait_end() == 0
        assert unshare.processes() == []
    assert place.state.moves(first) == ["running", "interrupted"]
    assert place.state.moves(second) == ["running", "done"]
    assert place.state.moves(third) == ["running", "interrupted"]
