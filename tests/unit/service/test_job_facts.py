# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Jobs are counted; those that run say how far they are, and those that ended how long it took."""

from datetime import timedelta
from pathlib import Path

from deepaas.errors import StorageUnavailable
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.presence import ServerPresence
from deepaas.records import JobState
from deepaas.service import JobObserver
from deepaas.service.job_facts import JobFacts, JobGroup, Progress
from deepaas.testing import NOON, InMemoryJobStore, make_job
from tests.unit.parts import echo_service

TRAINING = JobGroup("echo", "train", JobState.RUNNING)


class Clock:
    """Moved by a test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def report(folder: Path, number: int, line: str) -> None:
    """Let a job say how far it is."""
    directory = JobDirectory(folder / make_job(number).id)
    directory.path.mkdir()
    directory.events.write_text(line + "\n")


def progress(done: object, total: object) -> str:
    return f'{{"time": "", "event": "progress", "attempt": 1, "done": {done}, "total": {total}}}'


async def test_jobs_are_counted_and_say_how_far_they_are(tmp_path: Path) -> None:
    """By model, kind and state; what was found out is looked at again after a second."""
    store, clock = InMemoryJobStore(), Clock()
    lines = (progress(3, 4), progress(9, 4), progress(1, "null"), progress(1, 0), "{}")
    # Another server, which is alive: nobody else looks after its jobs.
    other = ServerPresence(tmp_path / "servers")
    async with echo_service(tmp_path, store=store) as service:
        observer = JobObserver(service.jobs, clock)
        for number, line in enumerate(lines):
            job = make_job(number, model="echo")
            await store.add(job)
            # So many run that none of those that wait can be taken up.
            await store.claim(
                job.id, server=other.id, models=["echo"], kinds=["train"], slots=9, now=NOON
            )
            report(tmp_path / "jobs", number, line)
        await store.add(make_job(99, model="echo"))
        await store.add(make_job(100, model="dog"))
        facts = await observer.facts(["echo"])
        assert {group: n for group, n in facts.counts.items() if n} == {
            TRAINING: len(lines),
            JobGroup("echo", "train", JobState.QUEUED): 1,
        }
        assert facts.progress == (
            Progress("echo", "train", make_job(0).id, 0.75),
            Progress("echo", "train", make_job(1).id, 1.0),
        )
        await store.add(make_job(101, model="echo"))
        clock.now = 0.9
        assert await observer.facts(["echo"]) is facts
        clock.now = 1.0
        later = await observer.facts(["echo"])
        assert later.counts[JobGroup("echo", "train", JobState.QUEUED)] == 2
    other.close()


async def test_without_a_store_nothing_is_known(tmp_path: Path) -> None:
    clock = Clock()
    async with echo_service(tmp_path) as service:
        observer = JobObserver(service.jobs, clock)
        assert (await observer.facts([])) == JobFacts()
        service.jobs._store = None
        service.jobs.refuse(StorageUnavailable("no"))
        clock.now = 1.0
        assert await observer.facts(["echo"]) == JobFacts()


async def test_jobs_that_ended_say_how_long_they_ran(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        observer = JobObserver(service.jobs)
        ended = make_job(state=JobState.DONE, started=NOON, finished=NOON + timedelta(seconds=90))
        observer.on_end(ended)
        observer.on_end(ended.evolve(finished=NOON - timedelta(hours=1)))
        observer.on_end(ended.evolve(started=None))  # cancelled while it waited
        ((group, buckets),) = observer.durations.items()
        assert group == ("cat", "train", "done")
        assert (buckets.number, buckets.total) == (2, 90.0)
