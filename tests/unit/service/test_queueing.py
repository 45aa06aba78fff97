# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A prediction is queued whole or refused, and what it held is released either way."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from deepaas import errors
from deepaas.auth import Policy, Principal
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.execution.messages import memory_file
from deepaas.records import (
    CallInput,
    IdempotencyKey,
    Job,
    JobState,
    ModelDescription,
    ModelSource,
    SourceKind,
)
from deepaas.service import PredictionQueue, Service, queueing
from deepaas.service.incoming import Incoming
from deepaas.testing import InMemoryJobStore
from tests.unit.parts import (
    PATIENCE_S,
    Elsewhere,
    echo_service,
    ended,
    eventually,
    open_fds,
    until,
)

WHO = Principal("me", frozenset(Policy))


def given(path: Path, **pairs: str) -> Incoming:
    """Return an input with arguments and a file that must be gone afterwards."""
    path.touch()
    return Incoming(CallInput(query=tuple(pairs.items())), paths=[path])


async def queue(service: Service, incoming: Incoming, model: str = "echo") -> Job:
    return await service.queue.accept(model, incoming, principal=WHO, request_id="r")


class Failing(Elsewhere):
    """A store that takes nothing."""

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Fail."""
        raise errors.StorageFull("/secret/path is full")


async def test_what_is_refused_is_released(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    async with echo_service(tmp_path, predict=False) as service:
        with pytest.raises(errors.EndpointDisabled):
            await queue(service, given(path))
        assert not path.exists()
    async with echo_service(tmp_path, store=Failing()) as service:
        with pytest.raises(errors.ModelNotFound):
            await queue(service, given(path), "dog")
        assert not path.exists()
        with pytest.raises(errors.InvalidArguments):
            await queue(service, given(path, number="-1"))
        assert not path.exists()
        assert (await service.health.readiness()).trainings is None
        with pytest.raises(errors.StorageFull):
            await queue(service, given(path))
        assert not path.exists()
        assert os.listdir(tmp_path / "jobs") == []
        assert (await service.health.readiness()).trainings == errors.StorageFull().message
        service.models.put(ModelDescription("echo", {}, can_predict=False))
        with pytest.raises(errors.NotImplementedByModel):
            await queue(service, given(path))
        assert not path.exists()


async def test_a_large_input_leaves_no_descriptor(tmp_path: Path) -> None:
    async with echo_service(tmp_path, store=Failing()) as service:
        await asyncio.to_thread(int)
        before = open_fds()
        fd = memory_file(b'{"text": "%s"}' % (b"x" * 300_000))
        with pytest.raises(errors.StorageUnavailable):
            await queue(service, Incoming(body_fd=fd))
        await until(lambda: open_fds() <= before)


async def test_a_client_that_goes_away_leaves_a_whole_job(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        call = asyncio.create_task(queue(service, given(tmp_path / "upload")))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        jobs = await eventually(store.list, len)
        assert (await ended(store, jobs[0])).state is JobState.DONE


async def test_a_job_keeps_no_credentials(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        headers = (("Authorization", "Bearer secret"), ("Accept", "text/plain"))
        job = await queue(service, Incoming(CallInput(headers=headers)))
        text = (tmp_path / "jobs" / job.id / "call.json").read_text()
        assert "secret" not in text
        assert "text/plain" in text
        assert job.owner == "me"
        await eventually(
            lambda: service.jobs.find("echo", job.id, WHO), lambda it: it.state.is_final
        )


MANY = """
from marshmallow import fields

def get_predict_args():
    return {f"a{number}": fields.Str() for number in range(150)}

def predict(**given):
    return len(given)
"""


async def test_very_many_arguments_are_shown(tmp_path: Path) -> None:
    """So many that they do not come in one packet from the worker that checked them."""
    path = tmp_path / "many.py"
    path.write_text(MANY)
    source = ModelSource("many", SourceKind.FILE, str(path))
    body = json.dumps({f"a{number}": "x" * 900 for number in range(150)}).encode()
    async with echo_service(tmp_path, source=source, store=Elsewhere()) as service:
        job = await queue(service, Incoming(CallInput(body=body)), "many")
        assert json.loads(job.arguments) == json.loads(body)


async def test_of_many_at_once_no_more_are_taken_than_are_allowed(tmp_path: Path) -> None:
    store = Elsewhere()
    async with echo_service(tmp_path, store=store, max_jobs=3) as service:
        tried = await asyncio.gather(
            *(queue(service, Incoming()) for _ in range(10)), return_exceptions=True
        )
        assert sum(isinstance(each, errors.QueueFull) for each in tried) == 7
        assert len(await store.list()) == 3


async def test_files_that_are_gone(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        job = await ended(store, await queue(service, Incoming()))
        folder = tmp_path / "jobs" / job.id
        (folder / "answer.json").unlink()
        with pytest.raises(errors.Conflict, match="has no result"):
            await service.queue.result("echo", job.id, WHO)
        (folder / "call.json").unlink()
        with pytest.raises(errors.Conflict, match="has no result"):
            await service.queue.result("echo", job.id, WHO)
        with pytest.raises(errors.Conflict, match="start a new one"):
            await service.queue.retry("echo", job.id, principal=WHO, request_id="r")


async def test_before_a_runner_is_there_it_is_accepted_all_the_same(tmp_path: Path) -> None:
    store = Elsewhere()
    async with echo_service(tmp_path, store=store) as service:
        pools = service.queue._pools
        alone = PredictionQueue(
            pools, service.predictions, service.jobs, service.history, max_jobs=9
        )
        await alone.accept("echo", Incoming(), principal=WHO, request_id="r")
        assert len(await store.list()) == 1


async def test_who_waits_for_an_end_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "_LOOK_S", PATIENCE_S * 2)
    async with echo_service(tmp_path, store=Elsewhere()) as service:
        job = await queue(service, Incoming())
        waiting = asyncio.create_task(service.queue.wait("echo", job.id, PATIENCE_S * 2))
        await until(lambda: service.queue._waiters._events)
        service.queue.on_end(job)
        async with asyncio.timeout(PATIENCE_S):
            assert await waiting


async def test_an_end_that_another_server_decides_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "_LOOK_S", 0.002)
    async with echo_service(tmp_path, store=Elsewhere()) as service:
        job = await queue(service, Incoming())
        assert not await service.queue.wait("echo", job.id, 0.01)
        waiting = asyncio.create_task(service.queue.wait("echo", job.id, PATIENCE_S * 2))
        await until(lambda: service.queue._waiters._events)
        JobDirectory(tmp_path / "jobs" / job.id).decide(End.now("cancelled"))
        async with asyncio.timeout(PATIENCE_S):
            assert await waiting


async def test_nobody_waits_for_an_end_while_the_service_ends(tmp_path: Path) -> None:
    """The job goes on, or begins, elsewhere."""
    async with echo_service(tmp_path, store=Elsewhere()) as service:
        job = await queue(service, Incoming())
        waiting = asyncio.create_task(service.queue.wait("echo", job.id, PATIENCE_S * 2))
        await until(lambda: service.queue._waiters._events)
        service.queue._pools["echo"].refuse()
        async with asyncio.timeout(PATIENCE_S):
            assert not await waiting
