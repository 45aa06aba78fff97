# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas jobs`` as a process of its own, with servers that come and go."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration import harness
from tests.integration.harness import PATIENCE_S, Server, wait_for
from tests.integration.place import MODEL, Place, kill, numbers
from tests.service import free_port


class Follower:
    """The command that follows a job; what it prints goes to files."""

    def __init__(self, server: Server, job: str, folder: Path, stdout: int | None = None) -> None:
        self.out, self.err = folder / "follow.out", folder / "follow.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [
                    # Whoever runs the tests in the background lets them ignore Ctrl-C.
                    *("env", "--default-signal=INT"),
                    *(sys.executable, "-m", "deepaas.cmd.main", "jobs", "follow", job),
                    f"--url=http://127.0.0.1:{server.port}",
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=err,
            )

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@contextmanager
def following(server: Server, job: str, folder: Path) -> Iterator[Follower]:
    """Follow a job until the block is left."""
    follower = Follower(server, job, folder)
    try:
        wait_for(lambda: "line 3" in follower.out.read_text())
        yield follower
    finally:
        follower.process.kill()
        follower.process.wait()


def test_a_job_is_followed_over_the_death_of_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has no gap and nothing twice; Ctrl-C ends a follower and not the job."""
    port = free_port()
    monkeypatch.setattr(harness, "free_port", lambda: port)
    place = Place(tmp_path)
    with place.serve() as one:
        job = place.train_until_it_runs(one)
        leaving = tmp_path / "leaving"
        leaving.mkdir()
        with following(one, job, leaving) as follower:
            follower.process.send_signal(signal.SIGINT)
            assert follower.wait() == 130
            said = follower.err.read_text().splitlines()[-1]
            assert (
                said == f"deepaas jobs: interrupted; the job goes on: `deepaas jobs follow {job}`."
            )
        unread, written = os.pipe()
        os.close(unread)
        follower = Follower(one, job, leaving, written)
        os.close(written)
        assert follower.wait() == 1
        assert "Error" not in follower.err.read_text()
        assert one.training(MODEL, job)["status"] == "running"
        with following(one, job, tmp_path) as follower:
            kill(one)
            wait_for(lambda: "Trying again" in follower.err.read_text())
            with place.serve() as two:
                place.gate.touch()
                assert two.wait_training(MODEL, job)["status"] == "done"
                assert follower.wait() == 0, follower.err.read_text()
            shown = numbers(follower.out)
            assert shown == list(range(len(shown)))
            assert follower.out.read_text() == place.state.directory(job).log.read_text()
            told = follower.err.read_text().splitlines()
            assert told[-2:] == ["done", f"Job {job} has ended: done."]
            assert sum("Trying again" in line for line in told) == 1
