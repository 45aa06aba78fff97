# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Whatever is killed or damaged, a model serves one whole version, and says which."""

import http.client
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.harness import Server, serve, wait_for
from tests.integration.versions import (
    MODEL,
    Load,
    health,
    promote,
    promoted,
    rollback,
    said,
    states,
    trained,
    versions,
)

ROOT = Path(__file__).parents[2]


@contextmanager
def killed_at(when: str, write: str, tmp_path: Path) -> Iterator[Server]:
    """Run a server that kills itself at a moment of a promotion."""
    wrapper = [sys.executable, "-m", "tests.integration.killed_at", when, write]
    with serve(MODEL, tmp_path, wrapper=wrapper, environment={"PYTHONPATH": str(ROOT)}) as server:
        yield server


def wait_killed(server: Server) -> None:
    assert server.wait_end() == -signal.SIGKILL


class Prepared(NamedTuple):
    """A state directory that a server has left, and what is in it."""

    state: Path
    #: Trainings: promoted as version 1, not promoted, and one whose model does not load.
    first: str
    second: str
    broken: str

    def copy_to(self, folder: Path) -> None:
        """Let a test have it for its own: where it lies does not matter."""
        shutil.copytree(self.state, folder / "state")


@pytest.fixture(scope="module")
def one_version(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare a first version, and what may become the next."""
    folder = tmp_path_factory.mktemp("one")
    with serve(MODEL, folder) as server:
        first = promoted(server, "meow")
        second, broken = (trained(server, "purr", how=how) for how in ("well", "raise"))
    return Prepared(folder / "state", first, second, broken)


@pytest.fixture(scope="module")
def two_versions(one_version: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare two, of which the second is served."""
    folder = tmp_path_factory.mktemp("two")
    one_version.copy_to(folder)
    with serve(MODEL, folder) as server:
        assert promote(server, one_version.second).status == 200
    return one_version._replace(state=folder / "state")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", ["promote", "seal", "serve", "drop"])
def test_a_server_killed_at_any_write_of_a_promotion_serves_a_whole_version(
    one_version: Prepared, tmp_path: Path, write: str, when: str
) -> None:
    one_version.copy_to(tmp_path)
    job = one_version.broken if write == "drop" else one_version.second
    with killed_at(when, write, tmp_path) as server:
        assert said(server) == (1, "meow")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            promote(server, job)
        wait_killed(server)
    is_served = (write, when) == ("serve", "after")
    with serve(MODEL, tmp_path) as server:
        assert said(server) == ((2, "purr") if is_served else (1, "meow"))
        assert "candidate" not in states(server).values()
        assert list(states(server).values()).count("served") == 1
        if states(server).get(2) == "failed":
            assert versions(server)[0]["reason"]
        # Nothing is in the way of another attempt.
        again = promote(server, job)
        assert again.status == (422 if write == "drop" else 200), again.text
        assert said(server) == ((1, "meow") if write == "drop" else (2, "purr"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", ["restore", "serve"])
def test_a_server_killed_at_any_write_of_a_rollback_serves_a_whole_version(
    two_versions: Prepared, tmp_path: Path, write: str, when: str
) -> None:
    two_versions.copy_to(tmp_path)
    with killed_at(when, write, tmp_path) as server:
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            rollback(server)
        wait_killed(server)
    is_back = (write, when) == ("serve", "after")
    with serve(MODEL, tmp_path) as server:
        assert said(server) == ((1, "meow") if is_back else (2, "purr"))
        assert set(states(server).values()) == {"served", "previous"}
        assert rollback(server, 1).status == 200


def test_a_server_killed_while_a_candidate_warms_serves_what_was_served(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serve(MODEL, tmp_path) as server:
        promoted(server, "meow")
        job = trained(server, "purr", gate=gate)
        promoting = server.in_background(lambda: promote(server, job))
        wait_for(lambda: states(server).get(2) == "candidate")
        server.signal(signal.SIGKILL)
        server.wait_end()
        assert promoting.exception() is not None
    with serve(MODEL, tmp_path) as server:
        assert said(server) == (1, "meow")
        assert states(server) == {2: "failed", 1: "served", 0: "previous"}
        assert "server ended while it was being promoted" in versions(server)[0]["reason"]


def test_a_server_killed_while_its_workers_follow_serves_the_new_version(tmp_path: Path) -> None:
    noted, gate = tmp_path / "noted", tmp_path / "gate"
    with serve(MODEL, tmp_path, "--workers=3") as server:
        job = trained(server, "purr", noted=noted, gate=gate)
        promoting = server.in_background(lambda: promote(server, job))
        wait_for(noted.exists)
        gate.touch()
        assert promoting.result().status == 200
        server.signal(signal.SIGKILL)
        server.wait_end()
    with serve(MODEL, tmp_path, "--workers=3") as server:
        assert {said(server) for _ in range(12)} == {(1, "purr")}


def damage(folder: Path, how: str) -> str:
    """Damage artifacts and return a word of what is to be said of it."""
    file = folder / "weights" / "said"
    if how == "gone":
        shutil.rmtree(folder)
        return "No such file"
    file.chmod(0o600)
    if how == "cut short":
        file.write_text(file.read_text()[:2])
        return "2 bytes instead of"
    text = file.read_text()
    file.write_text(text.replace("well", "dies"))
    return "another checksum"


@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_version_whose_artifacts_are_damaged_is_not_served_and_that_is_told(
    two_versions: Prepared, tmp_path: Path, how: str
) -> None:
    two_versions.copy_to(tmp_path)
    word = damage(tmp_path / "state" / "jobs" / two_versions.second / "artifacts", how)
    with serve(MODEL, tmp_path) as server:
        assert said(server) == (1, "meow")
        shown = health(server)
        assert (shown["status"], shown["version"]) == ("ready", 1)
        assert "Version 2, which was chosen, cannot be served" in shown["version_problem"]
        assert word in shown["version_problem"]
        assert word in server.output()
        # The choice is as it was; a word of the operator's makes an end of it.
        assert states(server)[2] == "served"
        answer = promote(server, two_versions.second)
        assert (answer.status, word in answer.json["detail"]) == (
            409 if how == "gone" else 422,
            how != "gone",
        )
        assert rollback(server, 1).status == 200
        shown = health(server)
        assert (shown["version"], shown["version_problem"]) == (1, None)
        assert states(server) == {2: "previous", 1: "served", 0: "previous"}


def test_a_version_that_was_changed_is_not_promoted_again(
    two_versions: Prepared, tmp_path: Path
) -> None:
    two_versions.copy_to(tmp_path)
    with serve(MODEL, tmp_path) as server:
        word = damage(tmp_path / "state" / "jobs" / two_versions.first / "artifacts", "changed")
        answer = rollback(server)
        assert answer.status == 422
        assert word in answer.json["detail"]
        assert said(server) == (2, "purr")
        assert states(server) == {2: "served", 1: "previous", 0: "previous"}


def test_a_version_that_cannot_be_loaded_any_more_is_replaced_by_the_one_before(
    tmp_path: Path,
) -> None:
    model = tmp_path / f"{MODEL}.py"
    source = Path(__file__).parent / "models" / f"{MODEL}.py"
    model.write_text(source.read_text())
    with serve(model, tmp_path, "--workers=2") as server:
        for say in ("meow", "purr"):
            promoted(server, say)
    model.write_text(
        source.read_text().replace("    _wait_for(gate)\n", "    assert said != 'purr'\n")
    )
    with serve(model, tmp_path, "--workers=2") as server:
        assert {said(server) for _ in range(8)} == {(1, "meow")}
        assert "AssertionError" in health(server)["version_problem"]
        assert "Traceback" in server.output()
        assert rollback(server, 0).status == 200
        assert health(server)["version_problem"] is None


def test_two_servers_follow_the_same_choice(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    state = tmp_path / "state"
    with (
        serve(MODEL, folders[0], state_dir=state) as first,
        serve(MODEL, folders[1], "--workers=2", state_dir=state) as second,
    ):
        with Load(second) as load:
            job = promoted(first, "meow")
            wait_for(lambda: {said(second) for _ in range(8)} == {(1, "meow")})
        load.check({"0": "nothing", "1": "meow"})
        assert promote(second, job).json["version"] == 1
        assert rollback(second, 0).status == 200
        wait_for(lambda: said(first) == (0, "nothing"))
        gate = tmp_path / "gate"
        slow = trained(first, "purr", gate=gate)
        promoting = first.in_background(lambda: promote(first, slow))
        wait_for(lambda: states(second).get(2) == "candidate")
        assert promote(second, job).status == 409
        # What a server leaves that is killed does not stand in the way of others.
        first.signal(signal.SIGKILL)
        first.wait_end()
        assert promoting.exception() is not None
        wait_for(lambda: promote(second, job).status == 200)


def test_a_server_that_cannot_follow_says_so(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    state = tmp_path / "state"
    with (
        serve(MODEL, folders[0], state_dir=state) as first,
        serve(MODEL, folders[1], "--workers=0", state_dir=state) as second,
    ):
        promoted(first, "meow")
        problem = wait_for(lambda: health(second)["version_problem"])
        assert "Version 1, which was chosen, cannot be served" in problem
        assert "--workers 0" in problem
        assert said(second) == (0, "nothing")
        assert rollback(first, 0).status == 200
        wait_for(lambda: health(second)["version_problem"] is None)
