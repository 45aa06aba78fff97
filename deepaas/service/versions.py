# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Put what a training made into service, go back, and list what there is."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from deepaas.auth import Principal
from deepaas.errors import Conflict, JobNotFound, StorageUnavailable, Unavailable
from deepaas.execution.base import ModelPool
from deepaas.execution.basis import version_in
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import has_artifacts
from deepaas.execution.presence import ServerPresence
from deepaas.model.registry import ModelRegistry
from deepaas.records import Job, JobState, ServedVersion
from deepaas.service.job_request import TRAIN
from deepaas.service.jobs import JobService
from deepaas.service.switching import Switching
from deepaas.service.version_changes import VersionChanges
from deepaas.service.version_follower import VersionFollower
from deepaas.store.base import JobStore
from deepaas.store.versions import ModelVersion, VersionStore

logger = logging.getLogger(__name__)

_STARTING = "The service is starting."


class ShownEvaluation(NamedTuple):
    """What an evaluation found out."""

    job: str
    finished: datetime
    #: By name; empty if it gave no number.
    metrics: Mapping[str, Any]
    #: Who made the job, ``None`` for an anonymous caller.
    owner: str | None = None


class ShownVersion(NamedTuple):
    """A version, with what is known of how good it is."""

    version: ModelVersion
    #: What its training reported last, ``None`` if it reported nothing.
    metrics: Mapping[str, Any] | None
    #: The last one of it, ``None`` if there is none.
    evaluation: ShownEvaluation | None = None
    #: Who made the training, ``None`` for an anonymous caller, and where nobody did.
    owner: str | None = None


class VersionService:
    """The versions of the served models; without a usable state directory it changes none."""

    def __init__(
        self,
        registry: ModelRegistry,
        pools: Mapping[str, ModelPool],
        switching: Switching,
        jobs: JobService,
    ) -> None:
        self.switching = switching
        self._registry = registry
        self._pools = pools
        self._jobs = jobs
        self._store: VersionStore | None = None
        self._job_store: JobStore
        self._presence: ServerPresence
        self._folder: Path
        self._problem: StorageUnavailable | None = None
        self._changes: VersionChanges | None = None
        self._following: asyncio.Task[None] | None = None

    def open(
        self, store: VersionStore, jobs: JobStore, *, presence: ServerPresence, folder: Path
    ) -> None:
        """Begin to take changes; nothing of this is closed here.

        Args:
            store: The versions.
            jobs: The jobs that are promoted.
            presence: This server's place among those that share the stores.
            folder: Holds a directory for each job.
        """
        self._store, self._job_store = store, jobs
        self._presence, self._folder = presence, folder
        self.switching.open(store, folder)
        self._changes = VersionChanges(store, self.switching, server=presence.id, folder=folder)

    def refuse(self, problem: StorageUnavailable) -> None:
        """Serve the packages as installed, for the reason given."""
        self._problem = problem
        self.switching.refuse(problem.public_message)

    async def follow(self) -> None:
        """Begin to follow what other servers choose, and have left behind."""
        assert self._store is not None
        assert self._changes is not None
        follower = VersionFollower(
            self._store,
            self.switching,
            presence=self._presence,
            drop_left=self._changes.drop_left,
        )
        await follower.try_look()
        self._following = asyncio.create_task(follower.run(), name="versions")

    async def close(self) -> None:
        """End what goes on; a version that is being promoted is not."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        if self._changes is not None:
            await self._changes.close()

    def _opened(self, model: str) -> tuple[VersionStore, VersionChanges]:
        self._registry.get(model)
        if self._store is None or self._changes is None:
            raise self._problem or Unavailable(_STARTING)
        return self._store, self._changes

    async def list(self, model: str) -> list[ShownVersion]:
        """Return the versions of a model, newest first; the last is the package as installed.

        Raises:
            ModelNotFound: No such model.
            Unavailable: The service is starting, or its storage cannot be used.
        """
        store, _ = self._opened(model)
        return [*await self._shown(await store.list(model))]

    async def _shown(self, versions: Sequence[ModelVersion]) -> Sequence[ShownVersion]:
        """Return versions of one model as they are shown."""
        evaluations = await self._job_store.latest_evaluations(versions[0].model)
        latest = {job.version: job for job in evaluations}
        return [await self._show(version, latest.get(version.number)) for version in versions]

    async def _show(self, version: ModelVersion, evaluation: Job | None) -> ShownVersion:
        training = await self._training(version.job)
        metrics = None if training is None else await self._metrics(training)
        owner = None if training is None else training.owner
        return ShownVersion(version, metrics, await self._evaluated(evaluation), owner)

    async def _training(self, job_id: str | None) -> Job | None:
        if job_id is None:
            return None
        try:
            return await self._job_store.get(job_id)
        except JobNotFound:
            return None

    async def _evaluated(self, job: Job | None) -> ShownEvaluation | None:
        if job is None or job.finished is None:
            return None
        return ShownEvaluation(job.id, job.finished, await self._metrics(job) or {}, job.owner)

    async def _metrics(self, job: Job) -> Mapping[str, Any] | None:
        """Return what a job reported last."""
        report = await self._jobs.progress(job)
        return None if report is None else report.get("metrics")

    async def find(self, model: str, number: int | None = None) -> ServedVersion:
        """Return a version as processes know it; whether its files are there is not looked up.

        Args:
            model: The model.
            number: The version's number; ``None``: the one that this server serves.

        Raises:
            VersionNotFound: There is none of that number.
            ModelNotFound, Unavailable: As :meth:`list`.
        """
        store, _ = self._opened(model)
        if number is None:
            return self._pools[model].version
        version = await store.get(model, number)
        return version_in(self._folder, version.number, version.job)

    async def promote(
        self, model: str, job_id: str, *, principal: Principal, waits: bool = True
    ) -> ShownVersion:
        """Let a model serve what a training of it has made.

        The artifacts are loaded and warmed by a worker that takes no call meanwhile; then the
        choice is made durable, and the workers follow one by one. Once begun, it goes on when the
        caller leaves.

        Args:
            model: The model.
            job_id: A training of it that has succeeded.
            principal: Who asks.
            waits: Whether to return when the version is served, or when it is a candidate.

        Returns:
            The version, served or a candidate.

        Raises:
            ModelNotFound, JobNotFound: There is none.
            Conflict: The training cannot be promoted, or another version is being promoted.
            VersionFailed: It cannot be served; nothing has changed.
            Unavailable: The service starts or ends, or its storage cannot be used.
        """
        store, changes = self._opened(model)
        self._require_switchable(model)
        await self._require_promotable(model, job_id)

        async def propose() -> ModelVersion:
            return await store.promote(
                model,
                job_id,
                server=self._presence.id,
                by=principal.name,
                now=datetime.now(UTC),
            )

        (shown,) = await self._shown([await changes.run(propose, waits=waits)])
        return shown

    async def rollback(
        self, model: str, number: int | None = None, *, principal: Principal, waits: bool = True
    ) -> ShownVersion:
        """Let a model serve a version that is there; as :meth:`promote`.

        To ask for the version that is served calls off a promotion that goes on here.

        Args:
            model: The model.
            number: The version's number; ``None``: the one that was served before.
            principal: Who asks.
            waits: Whether to return when the version is served, or when it is a candidate.

        Raises:
            VersionNotFound: There is none of that number.
            Conflict: None was served before, or another is being promoted.
            ModelNotFound, VersionFailed, Unavailable: As :meth:`promote`.
        """
        store, changes = self._opened(model)
        self._require_switchable(model)
        logger.info(
            "Model %s is to serve %s; asked for by %s.",
            model,
            "the version before" if number is None else f"version {number}",
            principal.name or "an anonymous caller",
            extra={"action": "rollback", "model": model},
        )

        if number is not None and number == (await store.choice(model)).number:
            await changes.call_off(model)

        async def propose() -> ModelVersion:
            return await store.restore(model, number, server=self._presence.id)

        (shown,) = await self._shown([await changes.run(propose, waits=waits)])
        return shown

    async def is_promoted(self, job_id: str) -> bool:
        """Tell whether a job's artifacts were ever served, or are about to be.

        Raises:
            Unavailable: The storage cannot be used.
        """
        if self._store is None:
            raise self._problem or Unavailable(_STARTING)
        return await self._store.is_promoted(job_id)

    async def require_not_promoted(self, job_id: str) -> None:
        """Refuse what would take away the artifacts of a version.

        Raises:
            Conflict: The job was promoted, or what it made is being evaluated.
            Unavailable: The storage cannot be used.
        """
        if await self.is_promoted(job_id):
            raise Conflict(
                f"The job {job_id!r} was promoted: its artifacts are a version of the model,"
                " and are kept."
            )
        await self._require_not_evaluated(job_id)

    async def _require_not_evaluated(self, job_id: str) -> None:
        """Refuse it for a version that could not be served too, as long as it is measured."""
        store, jobs = self._store, self._job_store
        assert store is not None
        try:
            model = (await jobs.get(job_id)).model
        except JobNotFound:
            return
        for version in await store.list(model):
            if version.job == job_id and await jobs.is_evaluating(model, version.number):
                raise Conflict(
                    f"Version {version.number} of the model, which the job {job_id!r} has made, is"
                    " being evaluated; cancel the evaluation first, or wait for its end."
                )

    def _require_switchable(self, model: str) -> None:
        why = self._pools[model].why_fixed
        if why is not None:
            raise Conflict(why)

    async def _require_promotable(self, model: str, job_id: str) -> None:
        job = await self._job_store.get(job_id)
        if job.model != model:
            raise JobNotFound(job_id)
        if job.kind != TRAIN:
            raise Conflict(f"The job {job_id!r} is no training.")
        if job.state is not JobState.DONE:
            raise Conflict(
                f"The training {job_id!r} is {job.state}; only one that is done can be promoted."
            )
        if not await asyncio.to_thread(has_artifacts, self._directory(job_id)):
            raise Conflict(
                f"The training {job_id!r} left nothing in artifact_dir() that could be served."
            )

    def _directory(self, job_id: str) -> JobDirectory:
        return JobDirectory(self._folder / job_id)
