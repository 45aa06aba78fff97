# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Brings what the pools serve to what was chosen: at the start, and while calls go on."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from deepaas.errors import DeepaasError, ModelLoadError, StorageUnavailable, VersionFailed
from deepaas.execution.base import ModelPool
from deepaas.execution.basis import version_in
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.modelfiles import fault_of
from deepaas.records import PACKAGE_VERSION, ServedVersion
from deepaas.store.versions import VersionChoice, VersionStore

logger = logging.getLogger(__name__)

_UNKNOWN = "Which version is to be served is not known: "


class Switching:
    """Serves versions on the pools of one server; without a store it serves the packages."""

    def __init__(self, pools: Mapping[str, ModelPool], *, in_place: bool) -> None:
        """Prepare.

        Args:
            pools: Of the models, by name.
            in_place: See :meth:`~deepaas.execution.base.ModelPool.switch`.
        """
        #: Why a model does not serve what was chosen; a model that does has no entry.
        self.problems: dict[str, str] = {}
        self._pools = pools
        self._in_place = in_place
        self._store: VersionStore | None = None
        self._folder = Path()
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: What was chosen at the start, and what could be served in its place, the best first.
        self._chosen: dict[str, VersionChoice] = {}
        self._instead: dict[str, list[ServedVersion]] = {}
        #: The choice of a model with which this server could not catch up.
        self._given_up: dict[str, int] = {}

    def open(self, store: VersionStore, folder: Path) -> None:
        """Begin to follow what is chosen.

        Args:
            store: Not closed here.
            folder: Holds a directory for each job.
        """
        self._store = store
        self._folder = folder
        self.on_known()

    def on_known(self) -> None:
        """Take it that what was chosen can be read; a model may still have to catch up."""
        for model, problem in list(self.problems.items()):
            if problem.startswith(_UNKNOWN):
                del self.problems[model]

    def refuse(self, problem: str) -> None:
        """Serve the packages as installed, since what was chosen cannot be known."""
        for model in self._pools:
            self.problems[model] = _UNKNOWN + problem

    async def to_start(self, model: str) -> ServedVersion:
        """Return what a model is to serve at the start: what was chosen, if its files are whole.

        Otherwise the version before it, or the package; what is wrong is logged, and stays in
        :attr:`problems`.
        """
        if self._store is None:
            return PACKAGE_VERSION
        try:
            choice = await self._store.choice(model)
            numbers = dict.fromkeys((choice.number, choice.previous, 0))
            versions = [await self._store.get(model, number) for number in numbers]
        except StorageUnavailable as exc:
            self.problems[model] = _UNKNOWN + exc.public_message
            return PACKAGE_VERSION
        self._chosen[model] = choice
        self._instead[model] = [self._version(each.number, each.job) for each in versions]
        return await self._next(model)

    async def instead(self, model: str, failure: ModelLoadError) -> ServedVersion | None:
        """Return what to serve in the place of a version that cannot be loaded at the start.

        Returns:
            ``None`` where there is nothing: the package as installed cannot be loaded either.
        """
        if not self._instead.get(model):
            return None
        number = self._pools[model].version.number
        self._note(model, number, failure.message, failure.traceback)
        return await self._next(model)

    async def _next(self, model: str) -> ServedVersion:
        while True:
            version = self._instead[model].pop(0)
            fault = await self._fault_of(version, with_checksums=False)
            if fault is None:
                break
            self._note(model, version.number, fault)
        choice = self._chosen[model]
        if version.number != choice.number:
            self._given_up[model] = choice.serial
        return version

    def _note(self, model: str, number: int, reason: str, traceback: str = "") -> None:
        problem = f"Version {number}, which was chosen, cannot be served: {reason}"
        self.problems.setdefault(model, problem)
        logger.error(
            "Version %d of model %s cannot be served: %s\n%s",
            number,
            model,
            reason,
            traceback,
            extra={"action": "version_failed", "model": model, "version": number},
        )

    async def serve(
        self, model: str, number: int, job: str | None, commit: Callable[[], Awaitable[object]]
    ) -> None:
        """Let a model serve a version; what is chosen is made durable by ``commit`` on the way.

        Raises:
            VersionFailed: It cannot be served; nothing has changed.
            Conflict, Unavailable: The pool cannot switch; nothing has changed.
            Exception: What ``commit`` raised; nothing has changed.
        """
        async with self._locks[model]:
            await self._serve(model, number, job, commit)

    async def _serve(
        self, model: str, number: int, job: str | None, commit: Callable[[], Awaitable[object]]
    ) -> None:
        version = self._version(number, job)
        fault = await self._fault_of(version, with_checksums=True)
        if fault is not None:
            raise VersionFailed(number, fault)
        try:
            await self._pools[model].switch(version, commit=commit, in_place=self._in_place)
        except ModelLoadError as exc:
            logger.error(
                "Version %d of model %s cannot be loaded: %s\n%s",
                number,
                model,
                exc.message,
                exc.traceback,
                extra={"action": "version_failed", "model": model, "version": number},
            )
            raise VersionFailed(number, exc.message) from exc
        self.problems.pop(model, None)
        logger.info(
            "Model %s serves version %d.",
            model,
            number,
            extra={"action": "version_served", "model": model, "version": number},
        )

    def is_behind(self, choice: VersionChoice) -> bool:
        """Whether a model serves another version than is chosen, and could catch up perhaps.

        One that serves it, whoever came to whom, has no problem any more.
        """
        pool = self._pools.get(choice.model)
        if pool is None:
            return False
        if pool.version.number == choice.number:
            if pool.ready_workers:
                self.problems.pop(choice.model, None)
            return False
        # Also where no worker is ready: they may fail because of the version.
        return self._given_up.get(choice.model) != choice.serial

    async def catch_up(self, model: str) -> None:
        """Serve what another server has chosen; where that cannot be, say so once."""
        assert self._store is not None
        async with self._locks[model]:
            try:
                choice = await self._store.choice(model)
            except StorageUnavailable as exc:
                # The follower, which looks at the same storage, says so and calls again.
                logger.debug("Model %s cannot catch up now: %s", model, exc.message)
                return
            if not self.is_behind(choice):
                return
            try:
                await self._serve(model, choice.number, choice.job, _nothing)
            except DeepaasError as exc:
                self._given_up[model] = choice.serial
                self._note(model, choice.number, exc.message)

    def _version(self, number: int, job: str | None) -> ServedVersion:
        return version_in(self._folder, number, job)

    async def _fault_of(self, version: ServedVersion, *, with_checksums: bool) -> str | None:
        if version.job is None:
            return None
        directory = JobDirectory(self._folder / version.job)
        return await asyncio.to_thread(fault_of, directory, with_checksums=with_checksums)


async def _nothing() -> None:
    """Commit nothing: somebody else has."""
