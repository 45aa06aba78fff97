# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A training is accepted, shown and cancelled, or the reason why not is clear."""

import asyncio
import json
from pathlib import Path

import pytest

from deepaas import errors
from deepaas.auth import Policy, Principal
from deepaas.execution.jobdir import End
from deepaas.execution.messages import memory_file
from deepaas.model.registry import ModelRegistry
from deepaas.records import (
    CallInput,
    IdempotencyKey,
    Job,
    JobEnd,
    JobState,
    ModelDescription,
    Training,
)
from deepaas.service import JobService
from deepaas.service import jobs as service_jobs
from deepaas.service.incoming import Incoming
from deepaas.store.scenarios import TRAINS
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.parts import ROOT, Elsewhere, echo_service, ended, eventually, open_fds, until

WHO = Principal("me", frozenset(Policy))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the training's own process find the model."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


class Full(InMemoryJobStore):
    """A store without space."""

    is_full = True

    async def check(self) -> None:
        """Refuse as long as it is full."""
        if self.is_full:
            raise errors.StorageFull("/secret/path is full")


def given(path: Path, **pairs: str) -> Incoming:
    """Return an input with arguments and a file that must be gone afterwards."""
    path.touch()
    return Incoming(CallInput(query=tuple(pairs.items())), paths=[path])


async def train(jobs: JobService, incoming: Incoming, model: str = "echo") -> Job:
    return await jobs.train(model, incoming, principal=WHO, request_id="r")


async def test_without_a_state_directory_trainings_are_refused(tmp_path: Path) -> None:
    registry = ModelRegistry()
    registry.put(ModelDescription("cat", {}))
    for problem in (None, errors.StorageUnavailable("/secret/path is away")):
        jobs = JobService(registry, {}, is_enabled=True, problem=problem)
        incoming = given(tmp_path / "upload")
        for call in (
            train(jobs, incoming, "cat"),
            jobs.list("cat", WHO),
            jobs.get("cat", "1", WHO),
            jobs.delete("cat", "1", WHO),
        ):
            with pytest.raises(errors.StorageUnavailable) as caught:
                await call
            assert "/secret" not in caught.value.public_message
        assert not (tmp_path / "upload").exists()
        assert await jobs.progress(make_job()) is None
        with pytest.raises(errors.ModelNotFound):
            await jobs.list("dog", WHO)


async def test_trainings_are_switched_off(tmp_path: Path) -> None:
    async with echo_service(tmp_path, train=False) as service:
        incoming = given(tmp_path / "upload")
        for call in (train(service.jobs, incoming), service.jobs.list("echo", WHO)):
            with pytest.raises(errors.EndpointDisabled):
                await call
        assert not (tmp_path / "upload").exists()


async def test_a_store_that_is_full_is_told_until_it_is_not(tmp_path: Path) -> None:
    store = Full()
    async with echo_service(tmp_path, store=store) as service:
        assert (await service.health.readiness()).trainings is None
        with pytest.raises(errors.StorageFull):
            await train(service.jobs, given(tmp_path / "upload"))
        assert (await service.health.readiness()).trainings == errors.StorageFull().message
        assert not (tmp_path / "upload").exists()
        store.is_full = False
        job = await train(service.jobs, Incoming())
        assert (await service.health.readiness()).trainings is None
        await ended(store, job)


async def test_a_model_that_does_not_train(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        service.models.put(ModelDescription("echo", {}, can_train=False))
        with pytest.raises(errors.NotImplementedByModel):
            await train(service.jobs, given(tmp_path / "upload"))
        assert not (tmp_path / "upload").exists()


@pytest.mark.parametrize("where", ["here", "worker"])
async def test_wrong_arguments(tmp_path: Path, where: str) -> None:
    """Found by the server, or by a worker where the server cannot look."""
    async with echo_service(tmp_path) as service:
        if where == "worker":
            service.models.put(ModelDescription("echo", {}))
        with pytest.raises(errors.InvalidArguments) as caught:
            await train(service.jobs, given(tmp_path / "upload", epochs="many"))
        assert caught.value.messages == {"epochs": ["Not a valid integer."]}
        assert not (tmp_path / "upload").exists()
        assert await service.jobs.list("echo", WHO) == []


async def test_what_is_shown_of_a_training(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        small = await train(service.jobs, given(tmp_path / "a", token="secret"))
        fd = memory_file(b'{"token": "secret", "how": "%s"}' % (b"x" * 300_000))
        large = await train(service.jobs, Incoming(body_fd=fd))
        assert json.loads(small.arguments) == {"epochs": 1, "token": "***"}
        shown = json.loads(large.arguments)
        assert shown["token"] == "***"
        assert len(shown["how"]) == 300_000
        assert (small.owner, small.kind, small.model) == ("me", "train", "echo")
        assert [job.id for job in await service.jobs.list("echo", WHO)] == [large.id, small.id]
        await ended(store, small)
        await ended(store, large)


async def test_a_large_input_leaves_no_descriptor(tmp_path: Path) -> None:
    async with echo_service(tmp_path, store=Failing()) as service:
        await asyncio.to_thread(int)
        before = open_fds()
        fd = memory_file(b'{"how": "%s"}' % (b"x" * 300_000))
        with pytest.raises(errors.StorageUnavailable):
            await train(service.jobs, Incoming(body_fd=fd))
        await until(lambda: open_fds() <= before)


class Failing(InMemoryJobStore):
    """A store that takes nothing."""

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Fail."""
        raise errors.StorageUnavailable


async def test_a_client_that_goes_away_leaves_a_whole_training(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        call = asyncio.create_task(train(service.jobs, given(tmp_path / "upload")))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        jobs = await eventually(store.list, len)
        assert (await ended(store, jobs[0])).state is JobState.DONE


async def test_a_job_keeps_no_credentials(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        incoming = Incoming(
            CallInput(
                headers=(("Authorization", "Bearer secret"), ("Cookie", "session=secret")),
                cookies=(("session", "secret"),),
            )
        )
        job = await train(service.jobs, incoming)
        kept = list(tmp_path.rglob(f"{job.id}/call.json"))
        assert len(kept) == 1
        assert "secret" not in kept[0].read_text()
        await eventually(
            lambda: service.jobs.get("echo", job.id, WHO), lambda it: it.state.is_final
        )


async def test_jobs_that_are_not_to_be_seen(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    other = make_job(1, model="dog")
    kind = make_job(2, model="echo", kind="evaluation")
    hidden = make_job(3, model="echo")
    for job in (other, kind, hidden):
        await store.add(job)
    await store.hide(hidden.id, hidden.created)
    async with echo_service(tmp_path, store=store) as service:
        for job_id in (other.id, kind.id, hidden.id, "0" * 32):
            with pytest.raises(errors.JobNotFound):
                await service.jobs.get("echo", job_id, WHO)
            with pytest.raises(errors.JobNotFound):
                await service.jobs.delete("echo", job_id, WHO)
        assert await service.jobs.list("echo", WHO) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("", None),
        ('{"done": 1', None),
        ('{"done": 1}\n', {"done": 1}),
        ('{"done": 1}\n{"done": 2}\n{"do', {"done": 2}),
        ('{"done": 1}\n' * 2000, {"done": 1}),
        ("broken\n", None),
    ],
)
async def test_the_last_report_is_shown(
    tmp_path: Path, text: str | None, found: dict[str, int] | None
) -> None:
    async with echo_service(tmp_path) as service:
        job = make_job(1)
        assert await service.jobs.progress(job) is None
        folder = tmp_path / "jobs" / job.id
        folder.mkdir()
        if text is not None:
            (folder / "events.jsonl").write_text(text)
        assert await service.jobs.progress(job.evolve(started=job.created)) == found


async def keyed(jobs: JobService, key: str, who: Principal = WHO, **pairs: str) -> Job:
    incoming = Incoming(CallInput(query=tuple(pairs.items())))
    return await jobs.train("echo", incoming, principal=who, request_id="r", key=key)


async def retried(jobs: JobService, job: str, key: str | None = None) -> Job:
    return await jobs.retry("echo", job, principal=WHO, request_id="r", key=key)


async def test_a_request_that_comes_again_starts_nothing(tmp_path: Path) -> None:
    """At the same moment, later, and when the job has ended; its input is released each time."""
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        jobs = await asyncio.gather(*(keyed(service.jobs, "k") for _ in range(5)))
        assert jobs == [jobs[0]] * 5
        done = await ended(store, jobs[0])
        incoming = given(tmp_path / "upload")
        incoming.given = CallInput()
        again = service.jobs.train("echo", incoming, principal=WHO, request_id="s", key="k")
        assert await again == done
        assert not (tmp_path / "upload").exists()
        with pytest.raises(errors.KeyReused):
            await keyed(service.jobs, "k", epochs="2")
        other = await keyed(service.jobs, "k", Principal("you", frozenset(Policy)), epochs="2")
        assert other.id != done.id
        assert len(await store.list()) == 2
        await ended(store, other)


async def test_a_request_that_comes_again_does_not_say_that_there_is_space(tmp_path: Path) -> None:
    store = Full()
    store.is_full = False
    async with echo_service(tmp_path, store=store) as service:
        first = await ended(store, await keyed(service.jobs, "k"))
        await ended(store, await retried(service.jobs, first.id, "r"))
        store.is_full = True
        with pytest.raises(errors.StorageFull):
            await train(service.jobs, Incoming())
        await keyed(service.jobs, "k")
        await retried(service.jobs, first.id, "r")
        assert (await service.health.readiness()).trainings == errors.StorageFull().message
        store.is_full = False
        new = await retried(service.jobs, first.id)
        assert (await service.health.readiness()).trainings is None
        await ended(store, new)


async def test_what_was_started_anew_is_found_when_the_job_is_removed(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        first = await ended(store, await train(service.jobs, Incoming()))
        new = await retried(service.jobs, first.id, "k")
        await store.remove(first.id)
        assert (await retried(service.jobs, first.id, "k")).id == new.id
        with pytest.raises(errors.JobNotFound):
            await retried(service.jobs, first.id, "other")
        await ended(store, new)


async def test_a_key_of_a_refused_request_is_free(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        with pytest.raises(errors.InvalidArguments):
            await keyed(service.jobs, "k", epochs="many")
        await ended(store, await keyed(service.jobs, "k"))


async def test_what_is_started_anew_twice_with_one_key_is_started_once(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        first = await ended(store, await train(service.jobs, Incoming()))

        new = await retried(service.jobs, first.id, "k")
        assert (await retried(service.jobs, first.id, "k")).id == new.id
        assert (await retried(service.jobs, first.id)).id not in (first.id, new.id)
        # The key of another request, though for the same model.
        with pytest.raises(errors.KeyReused):
            await keyed(service.jobs, "k")
        for job in await store.list():
            await ended(store, job)


async def test_a_model_that_trains_no_more_starts_nothing_anew(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        first = await ended(store, await train(service.jobs, Incoming()))
        service.models.put(ModelDescription("echo", {}, can_train=False))
        with pytest.raises(errors.NotImplementedByModel):
            await service.jobs.retry("echo", first.id, principal=WHO, request_id="r")


class Gated(Elsewhere):
    """A store that records an end when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Wait, and record."""
        self.is_asked.set()
        await self.gate.wait()
        return await super().finish(job_id, end)


async def test_a_client_that_goes_away_leaves_no_deletion_by_half(tmp_path: Path) -> None:
    store = Gated()
    async with echo_service(tmp_path, store=store) as service:
        job = await train(service.jobs, Incoming())
        request = asyncio.create_task(service.jobs.delete("echo", job.id, WHO))
        await store.is_asked.wait()
        # Its end is decided, which everybody sees before it is recorded.
        view = await service.history.view("echo", job.id, WHO)
        assert view.job.state is JobState.CANCELLED
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        store.gate.set()
        assert (await ended(store, job)).state is JobState.CANCELLED
        await eventually(lambda: store.get(job.id), lambda found: found.hidden_at is not None)


async def again(jobs: JobService, job: Job) -> Job:
    return await jobs.retry("echo", job.id, principal=WHO, request_id="r")


@pytest.mark.parametrize("state", ["done", "cancelled", "error"])
async def test_a_job_goes_on_from_checkpoints_only_if_it_was_not_done(
    tmp_path: Path, state: str
) -> None:
    store = Elsewhere()
    async with echo_service(tmp_path, store=store) as service:
        resumable = Training(resumable=True)
        service.models.put(ModelDescription("echo", {}, can_train=True, training=resumable))
        job = await train(service.jobs, Incoming())
        _, runner = service.jobs.opened("echo")
        (runner.directory(job.id).checkpoints / "last").touch()
        await store.finish(job.id, JobEnd(JobState(state), job.created))
        new = await again(service.jobs, job)
        kept = list(runner.directory(new.id).checkpoints.iterdir())
        assert bool(kept) == (state != "done")


async def test_a_job_is_not_started_anew_while_its_processes_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is shown already, but its checkpoints may change."""
    store = Elsewhere()
    async with echo_service(tmp_path, store=store) as service:
        job = await train(service.jobs, Incoming())
        with pytest.raises(errors.JobNotEnded):
            await again(service.jobs, job)
        _, runner = service.jobs.opened("echo")
        end = End.now("cancelled")
        runner.directory(job.id).decide(end)
        waiting = asyncio.create_task(again(service.jobs, job))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await store.finish(job.id, JobEnd(JobState.CANCELLED, job.created))
        assert (await waiting).id != job.id

        other = await train(service.jobs, Incoming())
        runner.directory(other.id).decide(end)
        monkeypatch.setattr(service_jobs, "_RECORDED_WITHIN_S", 0.0)
        with pytest.raises(errors.JobNotEnded):
            await again(service.jobs, other)


async def test_progress_is_that_of_the_attempt_wherever_it_is_shown(tmp_path: Path) -> None:
    """What is queued again has not reported yet, nor has what runs again."""
    store = Elsewhere()
    async with echo_service(tmp_path, store=store) as service:
        job = await train(service.jobs, Incoming())
        _, runner = service.jobs.opened("echo")
        event = {"event": "progress", "attempt": 1, "done": 5, "total": 9, "metrics": {}}
        runner.directory(job.id).events.write_text(json.dumps(event) + "\n")

        async def shown() -> list[object]:
            found = await store.get(job.id)
            view = await service.history.view("echo", job.id, WHO)
            both = (await service.jobs.progress(found), view.progress)
            return [progress and progress["done"] for progress in both]

        claim = {"server": "here", "models": ["echo"], "slots": 1, **TRAINS}
        assert await store.claim(job.id, **claim)
        assert await shown() == [5, 5]
        assert await store.unclaim(job.id, server="here")
        assert await shown() == [None, None]
        assert await store.claim(job.id, **claim)
        assert await shown() == [None, None]
