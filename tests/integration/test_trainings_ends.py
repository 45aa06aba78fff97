# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How trainings end: by themselves, by accident, by a cancel; recorded once, with nothing left."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.integration.harness import MODELS, Answer, Server, serve, together, wait_for
from tests.integration.state import State

SERVED = (
    "ends_in_train",
    "ignores_sigterm",
    "saves_when_cancelled",
    "starts_processes_in_train",
    "waits_in_train",
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("trainings") / "state")


@pytest.fixture(scope="module")
def server(state: State) -> Iterator[Server]:
    """One server for the tests that need no other; it has one slot."""
    models = ",".join(str(MODELS / f"{name}.py") for name in SERVED)
    options = ("--cancel-grace=5", "--train-workers=1")
    with serve(models, state.path.parent, *options, state_dir=state.path) as server:
        yield server


def path(model: str, uuid: str) -> str:
    return f"/v2/models/{model}/train/{uuid}"


def guards(server: Server) -> list[psutil.Process]:
    return server.running("job_guard")


@pytest.mark.row("C68")
@pytest.mark.parametrize(
    ("how", "message", "logged"),
    [
        ("raises", "the data are too small: 0 rows", "ValueError: the data are too small"),
        ("raises without a text", "Wordless", "Wordless"),
        ("bad request", "no such data set", "HTTPBadRequest"),
        ("bad request that cannot be made", "no such file", "HTTPBadRequest"),
        ("sys.exit", "train() raised SystemExit: 3", "SystemExit: 3"),
        ("os._exit", "exited with status 3 before train() returned", ""),
        ("KeyboardInterrupt", "train() raised KeyboardInterrupt.", "KeyboardInterrupt"),
        ("sigkill", "killed by SIGKILL: ", ""),
        ("sigterm", "interrupted: The training's process was told to end by SIGTERM, not by", ""),
        ("memory", "Out of memory: Unable to allocate ", "ArrayMemoryError"),
        ("GPU memory", "Out of GPU memory: CUDA out of memory. Tried", "RuntimeError"),
        ("segfault", "killed by SIGSEGV", "Segmentation fault"),
    ],
)
def test_a_training_that_fails_is_an_error_that_says_why(
    server: Server, state: State, how: str, message: str, logged: str
) -> None:
    uuid = server.train("ends_in_train", how=how)["uuid"]
    ended = server.wait_training("ends_in_train", uuid)
    assert ended.keys() == {"date", "args", "uuid", "status", "message"}
    assert ended["status"] == "error"
    if how in ("raises", "raises without a text", "bad request"):
        assert ended["message"] == message
    assert message in ended["message"]
    log = state.directory(uuid).log.read_text()
    assert log.startswith("a word before the end\n")
    assert logged in log
    assert ended in server.get("/v2/models/ends_in_train/train/").json
    assert server.delete(path("ends_in_train", uuid)).json == ended
    assert server.get(path("ends_in_train", uuid)).status == 404
    assert state.moves(uuid) == ["running", "interrupted" if how == "sigterm" else "error"]


@pytest.mark.parametrize("how", ["sys.exit in a fork", "return in a fork", "raise in a fork"])
def test_what_a_fork_of_the_model_does_is_not_the_end_of_the_training(
    server: Server, how: str
) -> None:
    ended = server.wait_training("ends_in_train", server.train("ends_in_train", how=how)["uuid"])
    assert ended["status"] == "done", ended
    assert ended["result"]["output"] == "the training's"


def test_a_result_that_cannot_even_be_shown_is_done_all_the_same(server: Server) -> None:
    how = "returns the unspeakable"
    ended = server.wait_training("ends_in_train", server.train("ends_in_train", how=how)["uuid"])
    assert ended["status"] == "done", ended
    assert "Unspeakable" in ended["result"]["output"]


@pytest.mark.parametrize("how", ["lingering thread", "closed output"])
def test_a_training_that_leaves_untidily_is_done_all_the_same(server: Server, how: str) -> None:
    ended = server.wait_training("ends_in_train", server.train("ends_in_train", how=how)["uuid"])
    assert ended["status"] == "done", ended


def test_a_training_that_returns_after_its_cancel_stays_cancelled(
    server: Server, state: State, tmp_path: Path
) -> None:
    uuid = server.train("waits_in_train", gate=tmp_path / "gate")["uuid"]
    directory = state.directory(uuid)
    wait_for(lambda: state.has_reported(uuid))
    (guard,) = guards(server)
    guard.suspend()  # or it would end the training before that returns
    assert server.delete(path("waits_in_train", uuid)).json["status"] == "cancelled"
    (tmp_path / "gate").touch()
    wait_for(directory.has_outcome)
    guard.resume()
    wait_for(lambda: state.is_final(uuid))
    outcome, end = directory.outcome(), directory.end()
    assert outcome is not None
    assert end is not None
    assert (outcome.state, end.state) == ("done", "cancelled")
    assert state.moves(uuid) == ["running", "cancelled"]
    assert state.row(uuid)["result"] is None


def test_a_cancel_that_comes_after_the_end_answers_the_end(tmp_path: Path) -> None:
    """The end stands in the directory and not yet in the store: its server is held up."""
    state = State(tmp_path / "state")
    with (
        serve("waits_in_train", tmp_path, state_dir=state.path) as follower,
        serve("waits_in_train", tmp_path, state_dir=state.path, wait=False) as other,
    ):
        uuid = follower.train("waits_in_train", gate=tmp_path / "gate")["uuid"]
        wait_for(lambda: state.has_reported(uuid))
        other.wait_ready(limit_s=30)
        follower.signal(signal.SIGSTOP)
        (tmp_path / "gate").touch()
        wait_for(state.directory(uuid).is_decided)
        deleted = other.delete(path("waits_in_train", uuid)).json
        assert state.row(uuid)["state"] == "running"
        follower.signal(signal.SIGCONT)
        assert deleted["status"] == "done"
        assert deleted["result"]["output"] == "went through"
        wait_for(lambda: state.is_final(uuid))
        assert state.moves(uuid) == ["running", "done"]


def test_whoever_wins_the_answer_of_a_cancel_is_what_is_recorded(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    gate = tmp_path / "gate"
    with serve("waits_in_train", tmp_path, "--train-workers=6", state_dir=state.path) as server:
        uuids = [server.train("waits_in_train", gate=gate)["uuid"] for _ in range(6)]
        wait_for(lambda: all(state.has_reported(uuid) for uuid in uuids))

        def cancel(number: int) -> Answer:
            if number == 0:
                gate.touch()
            time.sleep(number * 0.01)  # no promise depends on it: it only mixes the two orders
            return server.delete(path("waits_in_train", uuids[number]))

        answers = together([partial(cancel, number) for number in range(6)])
        answered = {
            uuid: answer.json["status"] for uuid, answer in zip(uuids, answers, strict=True)
        }
        wait_for(lambda: all(state.is_final(uuid) for uuid in uuids))
        assert {uuid: state.row(uuid)["state"] for uuid in uuids} == answered
        assert all(state.moves(uuid) == ["running", answered[uuid]] for uuid in uuids)


def test_a_model_that_ignores_a_cancel_is_killed_and_its_slot_is_free_only_then(
    tmp_path: Path,
) -> None:
    state = State(tmp_path / "state")
    models = ",".join(str(MODELS / f"{name}.py") for name in ("pools", "waits_in_train"))
    with serve(models, tmp_path, "--cancel-grace=1.5", state_dir=state.path) as server:
        started = tmp_path / "started"
        uuid = server.train("pools", note=started)["uuid"]
        wait_for(started.exists)
        stubborn, *shared = started.read_text().splitlines()
        # Its child, and the tracker of what they share.
        assert len(state.processes(uuid)) == 3
        assert all(Path(path).exists() for path in shared)
        ran = tmp_path / "ran"
        behind = server.train("waits_in_train", gate=tmp_path / "gate", ran=ran)["uuid"]
        assert server.delete(path("pools", uuid)).json["status"] == "cancelled"
        # The process outlives the answer, and its slot stays taken.
        assert state.row(behind)["state"] == "queued"
        assert psutil.pid_exists(int(stubborn))
        wait_for(lambda: state.row(behind)["state"] == "running")
        assert state.processes(uuid) == []
        assert [path for path in shared if Path(path).exists()] == []
        assert state.row(uuid)["state"] == "cancelled"
        wait_for(ran.exists)


def test_a_cancelled_model_that_asks_gets_to_save_with_the_help_of_its_processes(
    server: Server, state: State, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    uuid = server.train("saves_when_cancelled", started=started)["uuid"]
    wait_for(started.exists)
    assert len(state.processes(uuid)) == 2
    assert server.delete(path("saves_when_cancelled", uuid)).json["status"] == "cancelled"
    wait_for(lambda: state.is_final(uuid))
    log = state.directory(uuid).log.read_text()
    assert (state.directory(uuid).checkpoints / "saved").read_text() == "all of it", log
    assert state.processes(uuid) == []


@pytest.mark.row("C85")
@pytest.mark.parametrize("how", ["done", "cancelled"])
def test_all_that_a_training_started_is_gone_with_it(
    server: Server, state: State, tmp_path: Path, how: str
) -> None:
    uuid = server.train("starts_processes_in_train", gate=tmp_path / "gate")["uuid"]
    # Itself, a child in a session of its own, a grandchild, another program.
    wait_for(lambda: len(state.processes(uuid)) == 4)
    if how == "done":
        (tmp_path / "gate").touch()
    else:
        server.delete(path("starts_processes_in_train", uuid))
    wait_for(lambda: state.is_final(uuid))
    assert state.processes(uuid) == []
    assert state.row(uuid)["state"] == how
