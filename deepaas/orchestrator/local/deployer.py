# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The life of a deployment: its programs started, looked after, and ended."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deepaas.errors import DeepaasError
from deepaas.orchestrator.local import processes
from deepaas.orchestrator.local.endpoints import outputs_of
from deepaas.orchestrator.local.members import Member
from deepaas.orchestrator.local.planning import Template
from deepaas.orchestrator.local.records import (
    COMPLETE,
    FAILED,
    RUNNING,
    Deployment,
    Program,
    Status,
)
from deepaas.orchestrator.local.store import DeploymentStore

logger = logging.getLogger(__name__)

_STARTS_MINS: Final = 10
#: How often in a row a service is started again that ends soon.
_STARTS_AGAIN: Final = 5
#: What ran so long has not ended soon.
_HELD_S: Final = 60.0


#: Says what to start for a template; raises what becomes the status reason.
Planner = Callable[[Template], tuple[Program, ...]]


@dataclass(frozen=True)
class Place:
    """Where deployments live, and what they are made of."""

    state_dir: Path
    plan: Planner
    #: How long processes may take to end by themselves, in seconds.
    grace_s: float = 30.0


class Deployer:
    """Does what deployments need, one thing at a time for each of them.

    Use it from one event loop; whoever makes one closes it, before the store.

    Args:
        place: Where deployments live.
        store: Keeps them.
        on_change: Called with every deployment whose state has changed.
    """

    def __init__(
        self, place: Place, store: DeploymentStore, on_change: Callable[[Deployment], object]
    ) -> None:
        self._place = place
        self._store = store
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def folder_of(self, uuid: str) -> Path:
        """Return where a deployment keeps its files."""
        return self._place.state_dir / "deployments" / uuid

    async def keep(self, deployment: Deployment, **changes: Any) -> Deployment:
        """Keep a deployment with changes, and tell who follows it."""
        changed = replace(deployment, updated=datetime.now(UTC), **changes)
        await self._store.put(changed)
        self._on_change(changed)
        return changed

    async def bring_up(self, deployment: Deployment) -> Deployment:
        """End what is done for a deployment, and start it as it is now, behind the caller."""
        await self._cancel(deployment.uuid)
        deployment = await self.keep(deployment)
        self._do(deployment, self._bring_up)
        return deployment

    async def take_down(self, deployment: Deployment) -> None:
        """End what is done for a deployment, and remove it behind the caller."""
        await self._cancel(deployment.uuid)
        deployment = await self.keep(deployment, status=Status.DELETE_IN_PROGRESS)
        self._do(deployment, self._take_down)

    async def give_up(self, deployment: Deployment) -> None:
        """End the removal of a deployment, which can be asked for again."""
        await self._cancel(deployment.uuid)
        await self.keep(deployment, status=Status.DELETE_FAILED)

    async def recover(self) -> None:
        """Go on with what another orchestrator left."""
        for deployment in await self._store.all():
            if deployment.status == Status.DELETE_IN_PROGRESS:
                self._do(deployment, self._take_down)
            elif deployment.status in COMPLETE or deployment.status in RUNNING:
                self._do(deployment, self._recover)

    async def close(self) -> None:
        """End all processes; the next :meth:`recover` starts again what ran."""
        await asyncio.gather(*map(self._cancel, list(self._tasks)))
        everything = await self._store.all()
        await asyncio.gather(*(self._stop(deployment) for deployment in everything))

    def _do(
        self, deployment: Deployment, work: Callable[[Deployment], Coroutine[Any, Any, None]]
    ) -> None:
        async def guarded() -> None:
            try:
                await work(deployment)
            except Exception as exc:
                logger.exception("A deployment failed.", extra={"action": "deployment_failed"})
                await self._fail(deployment, f"the orchestrator failed: {type(exc).__name__}")

        uuid = deployment.uuid
        self._tasks[uuid] = asyncio.create_task(guarded(), name=f"deployment {uuid}")

    async def _cancel(self, uuid: str) -> None:
        task = self._tasks.pop(uuid, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stop(self, deployment: Deployment) -> None:
        await processes.stop(deployment.uuid, self._place.grace_s)

    def _programs(self, deployment: Deployment) -> tuple[Program, ...]:
        template = Template(deployment.template, deployment.parameters)
        return self._place.plan(template)

    async def _bring_up(self, deployment: Deployment) -> None:
        """Start every program, wait until it answers or its job has ended, and say so."""
        limit_s = 60.0 * (deployment.timeout_mins or _STARTS_MINS)
        job_limit_s = None if deployment.timeout_mins is None else limit_s
        folder = self.folder_of(deployment.uuid)
        try:
            await self._stop(deployment)
            programs = self._programs(deployment)
            members = [Member(program, deployment.uuid, folder) for program in programs]
            for member in members:
                await member.start()
                # Each is kept at once: what is known can be found again.
                started = tuple(each.running for each in members[: members.index(member) + 1])
                deployment = replace(deployment, processes=started)
                await self._store.put(deployment)
            await self._wait_up(members, limit_s, job_limit_s)
            deployment = await self._complete(deployment, members)
        except DeepaasError as exc:
            await self._fail(deployment, exc.message)
        except TimeoutError:
            await self._fail(deployment, f"It was not up within {limit_s:g} s.")
        else:
            await self._look_after(deployment, members)

    async def _wait_up(
        self, members: Sequence[Member], limit_s: float, job_limit_s: float | None
    ) -> None:
        """Wait until services answer and jobs have ended well; the first failure is raised."""
        services = [member for member in members if not member.program.is_job]
        jobs = [member for member in members if member.program.is_job]
        async with asyncio.timeout(limit_s):
            await _all(member.wait_ready() for member in services)
        async with asyncio.timeout(job_limit_s):
            await _all(member.run_to_end() for member in jobs)

    async def _complete(self, deployment: Deployment, members: Sequence[Member]) -> Deployment:
        template = Template(deployment.template, deployment.parameters)
        running = tuple(member.running for member in members)
        outputs = outputs_of(template, [member.program for member in members], running)
        status = COMPLETE.get(deployment.status, deployment.status)
        return await self.keep(deployment, status=status, reason=None, outputs=outputs)

    async def _look_after(self, deployment: Deployment, members: Sequence[Member]) -> None:
        """Start services again that end, as Marathon does, until they only end."""
        services = [member for member in members if not member.program.is_job]
        clock = asyncio.get_running_loop().time
        began, tries = clock(), 0
        while services:
            ending = {asyncio.create_task(each.wait_end()): each for each in services}
            try:
                ended, _ = await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
                member, status = ending[(done := ended.pop())], done.result()
            finally:
                for task in ending:
                    task.cancel()
                await asyncio.gather(*ending, return_exceptions=True)
            tries = 1 if clock() - began > _HELD_S else tries + 1
            failure = member.failure(status)
            logger.warning("%s", failure.message, extra={"action": "service_ended"})
            if tries > _STARTS_AGAIN:
                await self._fail(deployment, f"{failure.message} (again and again)")
                return
            began = clock()
            await member.start()
            running = tuple(each.running for each in members)
            deployment = await self.keep(deployment, processes=running, reason=failure.message)

    async def _recover(self, deployment: Deployment) -> None:
        """Find the processes of a deployment again, or start them again.

        A job is run once: it is not started again, and how it ended nobody has seen.
        """
        try:
            programs = self._programs(deployment)
        except DeepaasError as exc:  # the rules have changed
            await self._fail(deployment, exc.message)
            return
        folder = self.folder_of(deployment.uuid)
        known = {running.node: running for running in deployment.processes}
        alive = {node for node, running in known.items() if processes.is_alive(running)}
        nodes = {program.node for program in programs}
        jobs = {program.node for program in programs if program.is_job}
        if jobs and deployment.status in COMPLETE:
            for node in jobs & alive:
                await processes.ended(known[node])
            await self._fail(
                deployment, "the orchestrator ended while the job ran; its log says how far it came"
            )
        elif jobs == nodes:
            return  # it has run
        elif deployment.status in RUNNING and alive >= nodes - jobs:
            members = [
                Member(program, deployment.uuid, folder, known[program.node])
                for program in programs
                if not program.is_job
            ]
            await self._look_after(deployment, members)
        else:
            await self._bring_up(deployment)

    async def _fail(self, deployment: Deployment, reason: str) -> None:
        """End what runs of a deployment, and say why."""
        await self._stop(deployment)
        kept = await self._store.get(deployment.uuid)
        status = FAILED[(kept or deployment).status]
        await self.keep(deployment, status=status, reason=reason, processes=(), outputs={})

    async def _take_down(self, deployment: Deployment) -> None:
        await self._stop(deployment)
        folder = self.folder_of(deployment.uuid)
        try:
            await asyncio.to_thread(shutil.rmtree, folder)
        except FileNotFoundError:
            pass  # nothing was started
        except OSError as exc:
            await self._fail(deployment, f"{folder} cannot be removed: {exc.strerror}.")
            return
        await self.keep(
            deployment, status=Status.DELETE_COMPLETE, reason=None, processes=(), outputs={}
        )


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at the same time; the first that fails ends the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        for done in asyncio.as_completed(tasks):
            await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
