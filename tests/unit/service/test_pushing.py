# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What trainings leave goes to a remote, sooner or later, and stays until it is there."""

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest

from deepaas.errors import Conflict
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.transfers import TransferEnd
from deepaas.records import Job, JobState
from deepaas.service import ArtifactPusher
from deepaas.testing import make_job
from tests.unit.parts import until

DOWN = TransferEnd(False, "the remote is down.")
WRONG = TransferEnd(False, "there is no such remote.", may_pass=False)


class Line:
    """Takes what is pushed, after it has failed in the ways given."""

    def __init__(self, *ends: TransferEnd) -> None:
        self.ends = list(ends)
        self.pushed: list[tuple[str, str, str]] = []
        self.has_begun = asyncio.Event()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def run(self, action: str, source: str, target: str) -> TransferEnd:
        self.pushed.append((action, source, target))
        self.has_begun.set()
        await self.is_open.wait()
        return self.ends.pop(0) if self.ends else TransferEnd(True, files=1, bytes=4)


def ended(
    folder: Path, *, job_id: str = "1" * 32, model: str = "cat", has_artifacts: bool = True
) -> Job:
    """Return a training that has ended, with its directory."""
    job = make_job(state=JobState.DONE, model=model).evolve(id=job_id)
    directory = JobDirectory(folder / job.id)
    directory.create(b"{}")
    if has_artifacts:
        (directory.artifacts / "weights").write_text("four")
    return job


def pusher(folder: Path, line: Line, **options: tuple[float, ...]) -> ArtifactPusher:
    """Return one that does not wait long."""
    return ArtifactPusher(folder, "rshare:kept/", run=line.run, **{"pauses_s": (0.001,), **options})


async def end(each: ArtifactPusher, job: Job) -> None:
    """Tell it of an end, in the order in which a follower does."""
    await each.before_end(job)
    each.on_end(job)


async def close(each: ArtifactPusher, *, grace_s: float = 0) -> None:
    await each.close(grace_s=grace_s, force=asyncio.Event())


async def test_what_a_training_left_is_pushed_once(tmp_path: Path) -> None:
    line = Line()
    each = pusher(tmp_path, line)
    job = ended(tmp_path, model="pkg/cat")
    await end(each, job)
    assert await each.holds(job.id)
    done = tmp_path / job.id / "pushed.json"
    await until(done.exists)
    target = f"rshare:kept/pkg_cat/{job.id}"
    assert line.pushed == [("push", str(tmp_path / job.id / "artifacts"), target)]
    assert json.loads(done.read_bytes())["target"] == target
    await until(lambda: not each._tasks)
    assert not await each.holds(job.id)
    await close(each)
    later = pusher(tmp_path, line)
    await later.start()
    await close(later)
    assert len(line.pushed) == 1


async def test_other_jobs_and_empty_ones_are_not(tmp_path: Path) -> None:
    line = Line()
    each = pusher(tmp_path, line)
    await end(each, ended(tmp_path, has_artifacts=False))
    await end(each, make_job(state=JobState.DONE, kind="predict"))
    await close(each, grace_s=60)
    assert line.pushed == []
    assert not list(tmp_path.glob("*/push*.json"))


async def test_it_is_tried_until_it_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(DOWN, DOWN, DOWN)
    each = pusher(tmp_path, line, pauses_s=(0.0, 0.001))
    job = ended(tmp_path)
    await end(each, job)
    await until((tmp_path / job.id / "pushed.json").exists)
    await close(each)
    assert len(line.pushed) == 4
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 3
    assert "they stay here, and that is tried again: the remote is down." in warnings[0].message


async def test_what_is_not_done_is_left_for_a_later_server(tmp_path: Path) -> None:
    line = Line(DOWN)
    each = pusher(tmp_path, line, pauses_s=(600.0,))
    job = ended(tmp_path)
    await end(each, job)
    mark = tmp_path / job.id / "push.json"
    await until(lambda: mark.exists() and "problem" in json.loads(mark.read_bytes()))
    await close(each, grace_s=60)
    assert await each.holds(job.id)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "push.json").write_text("not ours")
    later = pusher(tmp_path, line)
    await later.start()
    await until((tmp_path / job.id / "pushed.json").exists)
    await close(later)
    assert not mark.exists()


async def test_what_waits_for_another_try_is_left_when_the_server_ends(tmp_path: Path) -> None:
    line = Line()
    line.is_open.clear()
    for job_id in ("1" * 32, "2" * 32):
        ended(tmp_path, job_id=job_id)
        (tmp_path / job_id / "push.json").write_text('{"model": "cat"}')
    each = pusher(tmp_path, line)
    await each.start()
    await line.has_begun.wait()
    closing = asyncio.create_task(close(each, grace_s=60))
    await until(each._closing.is_set)
    line.is_open.set()
    await closing
    assert len(line.pushed) == 1
    assert len(list(tmp_path.glob("*/push.json"))) == 1


async def test_what_is_not_pushed_is_not_removed(tmp_path: Path) -> None:
    line, removed = Line(), []
    line.is_open.clear()
    each = pusher(tmp_path, line)
    job = ended(tmp_path)
    directory = JobDirectory(tmp_path / job.id)

    async def remove(directory: JobDirectory) -> bool:
        removed.append(directory)
        return True

    await end(each, job)
    with pytest.raises(Conflict):
        await each.sparing(remove)(directory)
    line.is_open.set()
    await close(each, grace_s=60)
    assert await each.sparing(remove)(directory)
    assert removed == [directory]


async def test_a_wrong_option_is_not_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(WRONG)
    each = pusher(tmp_path, line)
    job = ended(tmp_path)
    await end(each, job)
    await close(each, grace_s=60)
    assert len(line.pushed) == 1
    assert "a restart tries again: there is no such remote." in caplog.text
    assert await each.holds(job.id)


async def test_a_push_is_ended_with_the_grace_or_by_force(tmp_path: Path) -> None:
    for force in (False, True):
        job = ended(tmp_path, job_id=str(int(force)) * 32)
        line, forced = Line(), asyncio.Event()
        line.is_open.clear()
        each = pusher(tmp_path, line)
        await end(each, job)
        await line.has_begun.wait()
        if force:
            forced.set()
        await each.close(grace_s=600 if force else 0, force=forced)
        assert await each.holds(job.id)
        assert not each._tasks


async def test_what_was_removed_meanwhile_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(DOWN)
    line.is_open.clear()
    each = pusher(tmp_path, line)
    job = ended(tmp_path)
    await end(each, job)
    await until(lambda: bool(line.pushed))
    os.rename(tmp_path / job.id, tmp_path / "aside")
    line.is_open.set()
    await close(each, grace_s=60)
    assert "are not pushed" in caplog.text


async def test_what_a_server_was_killed_before_is_pushed_by_the_next(tmp_path: Path) -> None:
    job = ended(tmp_path)
    await pusher(tmp_path, Line()).before_end(job)  # and no more
    line = Line()
    line.is_open.clear()
    each = pusher(tmp_path, line)
    await each.start()
    await line.has_begun.wait()
    # Its end was not recorded: this server does it.
    await end(each, job)
    line.is_open.set()
    await close(each, grace_s=60)
    assert len(line.pushed) == 1
    assert (tmp_path / job.id / "pushed.json").exists()
    assert not await each.holds(job.id)


async def test_what_cannot_be_marked_holds_up_no_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = ended(tmp_path)
    (tmp_path / job.id / "push.json" / "full").mkdir(parents=True)
    each = pusher(tmp_path, Line())
    await each.before_end(job)
    assert "are not pushed, they stay in" in caplog.text
