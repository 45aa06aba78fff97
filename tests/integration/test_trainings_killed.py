# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""kill -9 before and after every write of every process loses and doubles nothing."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S
from tests.integration.place import numbers
from tests.integration.state import State

KILLING = Path(__file__).parent / "killing"
ROOT = Path(__file__).parents[2]
#: How many places are tried at the same time; most of their time they wait.
AT_ONCE = 4


class Killed:
    """A state directory, whose servers come to their points or are killed there."""

    def __init__(self, folder: Path, how: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.how = how
        self.state = State(folder / "state")
        self.gate = folder / "gate"
        # Its own: processes are found by it.
        self.job = uuid.uuid4().hex
        if how == "run":
            self.gate.touch()

    def serve(self, how: str, point: str = "") -> str:
        """Run a server to its end, and return what it told its client."""
        environment = {
            "KILLING_FOLDER": str(self.folder),
            "KILLING_POINT": point,
            "TMPDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join((str(KILLING), str(ROOT))),
        }
        module = (sys.executable, "-m", "tests.integration.killable")
        done = subprocess.run(
            [*module, str(self.state.path), how, self.job, str(self.gate)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode in (0, -9), done.stdout
        return done.stdout

    def points(self) -> list[str]:
        """Return the points that were passed, in their order.

        One after a write is left out where the same process came to its next write then: nothing
        that lasts lies between the two. So are those until a training runs, where there are others
        that only differ later.
        """
        passed = (self.folder / "points").read_text().splitlines()
        if "running" in passed:
            passed = passed[passed.index("running") :]
        points = [line for line in passed if " " in line]
        return [
            point
            for point, following in pairwise([*points, ""])
            if point.endswith(" before") or following.split(" ")[0] != point.split(" ")[0]
        ]

    def check(self, told: str) -> None:
        """Check every promise, given what the client was told before the kill."""
        jobs = self.state.jobs()
        assert os.listdir(self.state.path / "jobs") == jobs
        assert jobs in ([self.job], [] if "accepted" not in told else [self.job])
        if not jobs:
            return
        row = self.state.row(self.job)
        end = self.state.directory(self.job).end()
        assert end is not None
        assert (row["state"], row["finished"], row["result"]) == (
            end.state,
            end.finished,
            end.result,
        )
        final = [
            state for state in self.state.moves(self.job) if state not in ("queued", "running")
        ]
        assert final == [end.state]
        assert end.state in (("done", "cancelled") if self.how == "cancel" else ("done",))
        if "cancelled" in told:
            assert end.state == "cancelled"
        self.check_log(is_whole=end.state == "done")
        self.check_events(row["attempt"], end.state)
        assert self.state.processes(self.job) == []

    def check_log(self, *, is_whole: bool) -> None:
        """No line is missing; one may come twice, if the kill came before its checkpoint."""
        log = self.state.directory(self.job).log
        found = numbers(log) if log.exists() else []
        assert sorted(set(found)) == list(range(len(set(found))))
        assert all(later - earlier in (0, 1) for earlier, later in pairwise(found))
        assert len(set(found)) >= 10 * is_whole

    def check_events(self, attempt: int, state: str) -> None:
        """Every start and every end is told once, and the end comes last."""
        lines = self.state.directory(self.job).events.read_text().splitlines()
        events = [json.loads(line) for line in lines]
        states = [(e["attempt"], e["state"]) for e in events if e["event"] == "state"]
        assert len(set(states)) == len(states)
        assert states[0] == (1, "queued")
        assert states[-1] == (attempt, state)
        assert [number for number, name in states if name == "queued"] == list(
            range(1, attempt + 1)
        )
        assert events[-1]["event"] == "state"


def problem(folder: Path, how: str, point: str) -> str | None:
    """Kill at a point, recover, and return what is wrong then."""
    killed = Killed(folder / point.replace(" ", "-"), how)
    try:
        told = killed.serve(how, point)
        assert (killed.folder / "killed").exists(), "nothing was killed"
        killed.gate.touch()
        killed.serve("recover")
        killed.check(told)
    except (AssertionError, subprocess.TimeoutExpired) as exc:
        return f"{point}: {exc}"
    return None


@pytest.mark.parametrize(
    ("how", "writes"),
    [
        (
            "run",
            {
                *("server add", "server claim", "server unclaim", "server finish", "server forget"),
                *("server _write_durably", "server note_state"),
                *("guard-1 link", "guard-1 note_state", "guard-2 link"),
                *("training-1 _write_durably", "training-2 rename"),
            },
        ),
        ("cancel", {"server link", "server finish"}),
        ("stop", {"server link", "server unclaim"}),
    ],
)
def test_a_kill_at_any_write_loses_and_doubles_nothing(
    tmp_path: Path, how: str, writes: set[str]
) -> None:
    """A training that fails once and is tried again; one that is cancelled; one that is stopped."""
    undisturbed = Killed(tmp_path / "undisturbed", how)
    told = undisturbed.serve(how)
    points = undisturbed.points()
    undisturbed.gate.touch()
    undisturbed.serve("recover")
    undisturbed.check(told)
    assert writes <= {point.rsplit(" ", 2)[0] for point in points}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(partial(problem, tmp_path, how), points)
    assert [text for text in found if text] == []
