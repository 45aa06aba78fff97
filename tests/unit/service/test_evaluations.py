# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A version is evaluated, and what is found out stands beside it."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deepaas import errors
from deepaas.auth import Policy, Principal
from deepaas.records import CallInput, IdempotencyKey, Job, JobEnd, JobState, ModelDescription
from deepaas.service import Service
from deepaas.service.incoming import Incoming
from deepaas.service.versions import ShownEvaluation
from deepaas.testing import NOON, InMemoryJobStore, make_job
from tests.unit import echo
from tests.unit.parts import ROOT, Elsewhere, echo_service, ended

WHO = Principal("me", frozenset(Policy))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the evaluation's own process find the model."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@dataclass
class Place:
    """A service, its store, and what tests do with it."""

    service: Service
    store: InMemoryJobStore
    folder: Path

    async def evaluate(
        self, version: int | None = None, key: str | None = None, **pairs: str
    ) -> Job:
        incoming = Incoming(CallInput(query=tuple(pairs.items())))
        return await self.service.evaluations.start(
            "echo", incoming, version, principal=WHO, request_id="r", key=key
        )

    async def evaluated(self, version: int | None = None, **pairs: str) -> Job:
        return await ended(self.store, await self.evaluate(version, **pairs))

    async def trained(self, number: int, content: str) -> str:
        """Leave what a training made, and return the training's id."""
        job = make_job(number, model="echo")
        await self.store.add(job)
        await self.store.finish(job.id, JobEnd(JobState.DONE, NOON))
        artifacts = self.folder / "jobs" / job.id / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "model").write_text(content)
        return job.id

    async def promoted(self, number: int, content: str) -> str:
        """Put it into service too."""
        made = await self.trained(number, content)
        await self.service.versions.promote("echo", made, principal=WHO)
        return made

    async def evaluations(self) -> dict[int, ShownEvaluation | None]:
        found = await self.service.versions.list("echo")
        return {shown.version.number: shown.evaluation for shown in found}


@asynccontextmanager
async def opened(
    tmp_path: Path, store: InMemoryJobStore | None = None, *, train: bool = True
) -> AsyncIterator[Place]:
    store = store or InMemoryJobStore()
    async with echo_service(tmp_path, store=store, train=train) as service:
        yield Place(service, store, tmp_path)


class Removing(InMemoryJobStore):
    """Loses the files of a version just before it knows a job about it."""

    files: Path | None = None

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        if self.files is not None:
            shutil.rmtree(self.files)
        return await super().add(job, key)


async def test_the_version_that_is_served_and_one_that_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        assert await place.evaluations() == {0: None}
        package = await place.evaluated(token="secret")
        assert (package.kind, package.version, package.state) == ("evaluate", 0, JobState.DONE)
        assert json.loads(package.arguments) == {"token": "***"}
        assert json.loads(package.result or "") == {"accuracy": 0.75, "bytes": 0, "text": "fine"}
        first = await place.promoted(1, "123")
        await place.promoted(2, "12345")
        served, named = await place.evaluated(), await place.evaluated(1)
        assert (served.version, named.version) == (2, 1)
        metrics = {"accuracy": 0.75, "loss": 0.5}
        assert package.finished is not None
        assert await place.evaluations() == {
            2: ShownEvaluation(served.id, served.finished or NOON, {**metrics, "bytes": 5}, "me"),
            1: ShownEvaluation(named.id, named.finished or NOON, {**metrics, "bytes": 3}, "me"),
            0: ShownEvaluation(package.id, package.finished, {**metrics, "bytes": 0}, "me"),
        }
        # It is no training: the contract's view has none of them, and none can be promoted.
        assert [job.id for job in await place.service.jobs.list("echo", WHO)] == [
            make_job(2).id,
            first,
        ]
        with pytest.raises(errors.Conflict, match="is no training"):
            await place.service.versions.promote("echo", named.id, principal=WHO)


async def test_the_version_is_fixed_when_the_job_is_accepted(tmp_path: Path) -> None:
    """Whatever is promoted before it starts; and another attempt is about the same one."""
    async with opened(tmp_path) as place:
        await place.promoted(1, "123")
        behind = await place.evaluate(how="wait")
        job = await place.evaluate()
        await place.promoted(2, "12345")
        await place.service.history.cancel("echo", behind.id, WHO)
        assert json.loads((await ended(place.store, job)).result or "")["bytes"] == 3
        again = await place.service.jobs.retry("echo", job.id, principal=WHO, request_id="r")
        assert (again.kind, again.version) == ("evaluate", 1)
        assert json.loads((await ended(place.store, again)).result or "")["bytes"] == 3
        evaluation = (await place.evaluations())[1]
        assert evaluation is not None
        assert evaluation.job == again.id


async def test_a_version_that_is_removed_in_that_moment_ends_the_evaluation(
    tmp_path: Path,
) -> None:
    store = Removing()
    async with opened(tmp_path, store) as place:
        made = await place.promoted(1, "123")
        store.files = tmp_path / "jobs" / made
        job = await place.evaluate(1)
        assert job.state is JobState.ERROR
        assert job.message == "Version 1 cannot be evaluated: its files are gone."
        assert (await ended(store, job)).message == job.message


async def test_what_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    store = Elsewhere()
    async with opened(tmp_path, store) as place:
        with pytest.raises(errors.VersionNotFound, match="no version 1"):
            await place.evaluate(1)
        made = await place.promoted(1, "123")
        job = await place.evaluate(1)
        await store.finish(job.id, JobEnd(JobState.ERROR, NOON))
        shutil.rmtree(tmp_path / "jobs" / made)
        with pytest.raises(errors.Conflict, match="Version 1 cannot be evaluated: its files are"):
            await place.evaluate(1)
        with pytest.raises(errors.Conflict, match="Version 1 cannot be evaluated: its files are"):
            await place.service.jobs.retry("echo", job.id, principal=WHO, request_id="r")
        with pytest.raises(errors.InvalidArguments):
            await place.evaluate(limit="many")
        place.service.models.put(ModelDescription("echo", {}, can_evaluate=False))
        with pytest.raises(errors.NotImplementedByModel):
            await place.evaluate(9)
        with pytest.raises(errors.NotImplementedByModel):
            await place.service.jobs.retry("echo", job.id, principal=WHO, request_id="r")


async def test_evaluations_are_switched_off_with_the_trainings(tmp_path: Path) -> None:
    async with opened(tmp_path, train=False) as place:
        with pytest.raises(errors.EndpointDisabled):
            await place.evaluate()


@pytest.mark.parametrize("version", [None, 9])
async def test_the_input_is_released_whatever_is_wrong(tmp_path: Path, version: int | None) -> None:
    async with opened(tmp_path) as place:
        upload = tmp_path / "upload"
        upload.touch()
        incoming = Incoming(CallInput(query=(("limit", "many"),)), paths=[upload])
        with pytest.raises((errors.InvalidArguments, errors.VersionNotFound)):
            await place.service.evaluations.start(
                "echo", incoming, version, principal=WHO, request_id="r"
            )
        assert not upload.exists()


async def test_arguments_that_the_server_cannot_check_are_checked_by_a_worker(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as place:
        place.service.models.put(ModelDescription("echo", {}, can_evaluate=True))
        with pytest.raises(errors.InvalidArguments) as caught:
            await place.evaluate(limit="many")
        assert list(caught.value.messages) == ["limit"]
        assert (await place.evaluated(limit="1")).state is JobState.DONE


async def test_a_request_that_comes_again_starts_nothing(tmp_path: Path) -> None:
    """Though another version is served now; but one that names another version is another."""
    async with opened(tmp_path) as place:
        job = await place.evaluate(key="k")
        await ended(place.store, job)
        await place.promoted(1, "1")
        assert (await place.evaluate(key="k")).id == job.id
        with pytest.raises(errors.KeyReused):
            await place.evaluate(0, key="k")
        # Keys of trainings are other keys.
        training = await place.service.jobs.train(
            "echo", Incoming(), principal=WHO, request_id="r", key="k"
        )
        assert (await ended(place.store, training)).kind == "train"


def fails() -> None:
    raise ValueError("these weights are of no use")


async def test_what_is_evaluated_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that was served is kept anyway; this is one that could not be."""
    store = Elsewhere()
    async with opened(tmp_path, store) as place:
        versions, history = place.service.versions, place.service.history
        made = await place.trained(1, "123")
        await versions.require_not_promoted(made)
        await versions.require_not_promoted(make_job(9).id)
        monkeypatch.setattr(echo, "warm", fails, raising=False)
        with pytest.raises(errors.VersionFailed):
            await versions.promote("echo", made, principal=WHO)
        assert not await versions.is_promoted(made)
        job = await place.evaluate(1)
        with pytest.raises(errors.Conflict, match=r"Version 1 .* is being evaluated; cancel"):
            await history.remove("echo", made, WHO)
        await history.cancel("echo", job.id, WHO)
        await history.remove("echo", made, WHO)
        with pytest.raises(errors.Conflict, match="its files are gone"):
            await place.evaluate(1)


async def test_an_evaluation_that_is_removed_is_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        first, last = await place.evaluated(), await place.evaluated()
        found = (await place.evaluations())[0]
        assert found is not None
        assert found.job == last.id
        await place.service.history.remove("echo", last.id, WHO)
        found = (await place.evaluations())[0]
        assert found is not None
        assert found.job == first.id
