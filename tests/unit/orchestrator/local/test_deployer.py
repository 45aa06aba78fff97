# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Deployments are started, looked after, found again and ended with all that they started."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deepaas.orchestrator.local import deployer as deployers
from deepaas.orchestrator.local import processes
from deepaas.orchestrator.local.deployer import Deployer, Place
from deepaas.orchestrator.local.records import Deployment, Program, Running, Status
from deepaas.orchestrator.local.store import DeploymentStore
from tests.unit.orchestrator.paas import PATIENCE_S, TEMPLATE, UPDATABLE, eventually, paas, plan

NAME = "0b7f1a3c-9f3e-4d7e-8a55-5d3d1c7a9a10"


class Deploying:
    """A deployer, its store, and what it told."""

    def __init__(self, store: DeploymentStore, deployer: Deployer) -> None:
        self.store = store
        self.deployer = deployer
        self.told: list[Status] = []

    async def wait(self, *status: Status) -> Deployment:
        async def has_it() -> Deployment | None:
            found = await self.store.get(NAME)
            return found if found is not None and found.status in status else None

        found: Deployment = await eventually(has_it)
        return found

    async def wait_up(self, pid: int = 0) -> Running:
        """Return the first process that is there, and is another one."""

        async def is_up() -> Running | None:
            found = await self.store.get(NAME)
            running = found.processes if found is not None else ()
            return running[0] if running and running[0].pid != pid else None

        found: Running = await eventually(is_up)
        return found


@asynccontextmanager
async def deploying(
    folder: Path, planner: Any = plan, *, grace_s: float = 30.0
) -> AsyncIterator[Deploying]:
    store = await DeploymentStore.open(folder)
    told: list[Status] = []
    deployer = Deployer(
        Place(folder, planner, grace_s), store, lambda deployment: told.append(deployment.status)
    )
    place = Deploying(store, deployer)
    place.told = told
    try:
        yield place
    finally:
        await deployer.close()
        await store.close()
        assert processes.processes_of(NAME) == []


def deployment(command: str = "serve", **members: Any) -> Deployment:
    now = datetime.now(UTC)
    made = Deployment(NAME, TEMPLATE, now, now, {"command": command})
    return replace(made, **members)


async def test_a_service_is_started_once_it_answers_it_is_complete(tmp_path: Path) -> None:
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment())
        up = await place.wait(Status.CREATE_COMPLETE)
        (running,) = up.processes
        assert up.outputs["url"] == f"http://127.0.0.1:{running.port}"
        assert processes.processes_of(NAME) == [running.pid]
        await place.deployer.take_down(up)
        await place.wait(Status.DELETE_COMPLETE)
        assert processes.processes_of(NAME) == []
        assert not place.deployer.folder_of(NAME).exists()
        assert place.told == [
            *(Status.CREATE_IN_PROGRESS, Status.CREATE_COMPLETE),
            *(Status.DELETE_IN_PROGRESS, Status.DELETE_COMPLETE),
        ]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("end", "'app' ended with status 3: no luck"),
        ("bad job", "'app' ended with status 5: it broke"),
        ("quiet", "'app' ended with status 4: app: a note"),
        ("none", "there is no 'none'"),
    ],
)
async def test_what_does_not_come_up_says_why(tmp_path: Path, command: str, reason: str) -> None:
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment(command))
        failed = await place.wait(Status.CREATE_FAILED)
        assert (failed.reason, failed.processes) == (reason, ())


async def test_a_job_that_ends_well_is_complete(tmp_path: Path) -> None:
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment("job"))
        done = await place.wait(Status.CREATE_COMPLETE)
        assert done.outputs == {"url": None}
        assert "worked" in processes.tail(place.deployer.folder_of(NAME), 1000)


async def test_what_does_not_answer_in_time_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployers, "_STARTS_MINS", 0.005)
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment("unready"))
        failed = await place.wait(Status.CREATE_FAILED)
        assert failed.reason == "It was not up within 0.3 s."
        await place.deployer.bring_up(deployment("slow job", timeout_mins=0.005))
        failed = await place.wait(Status.CREATE_FAILED)
        assert failed.reason == "It was not up within 0.3 s."


async def test_what_is_deleted_at_once_is_never_started(tmp_path: Path) -> None:
    async with deploying(tmp_path) as place:
        created = await place.deployer.bring_up(deployment())
        await place.deployer.take_down(created)
        await place.wait(Status.DELETE_COMPLETE)
        assert not place.deployer.folder_of(NAME).exists()


async def test_a_fault_of_ours_is_a_recorded_end(tmp_path: Path) -> None:
    def break_down(template: object) -> tuple[Program, ...]:
        raise ZeroDivisionError

    async with deploying(tmp_path, break_down) as place:
        await place.deployer.bring_up(deployment())
        failed = await place.wait(Status.CREATE_FAILED)
        assert failed.reason == "the orchestrator failed: ZeroDivisionError"


async def test_a_service_that_ends_is_started_again_where_it_was(tmp_path: Path) -> None:
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment())
        (first,) = (await place.wait(Status.CREATE_COMPLETE)).processes
        os.kill(first.pid, signal.SIGKILL)
        second = await place.wait_up(first.pid)
        assert (second.address, second.port) == (first.address, first.port)
        found = await place.store.get(NAME)
        assert found is not None
        assert found.status == Status.CREATE_COMPLETE
        assert str(found.reason).startswith("'app' ended with status -9")


async def test_a_service_that_only_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployers, "_STARTS_AGAIN", 1)
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment())
        (first,) = (await place.wait(Status.CREATE_COMPLETE)).processes
        os.kill(first.pid, signal.SIGKILL)
        os.kill((await place.wait_up(first.pid)).pid, signal.SIGKILL)
        failed = await place.wait(Status.CREATE_FAILED)
        assert str(failed.reason).endswith("(again and again)")


async def test_a_service_that_held_may_end_more_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployers, "_STARTS_AGAIN", 1)
    monkeypatch.setattr(deployers, "_HELD_S", 0.0)
    async with deploying(tmp_path) as place:
        await place.deployer.bring_up(deployment())
        running = (await place.wait(Status.CREATE_COMPLETE)).processes[0]
        for _ in range(2):
            os.kill(running.pid, signal.SIGKILL)
            running = await place.wait_up(running.pid)
        await place.wait(Status.CREATE_COMPLETE)


async def test_what_ignores_its_end_is_killed(tmp_path: Path) -> None:
    async with deploying(tmp_path, grace_s=0) as place:
        await place.deployer.bring_up(deployment("deaf"))
        up = await place.wait(Status.CREATE_COMPLETE)
        await place.deployer.take_down(up)
        await place.wait(Status.DELETE_COMPLETE)
        assert processes.processes_of(NAME) == []


async def test_a_folder_that_cannot_be_removed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    async with deploying(tmp_path) as place:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", refuse)
            await place.deployer.take_down(deployment("none"))
            failed = await place.wait(Status.DELETE_FAILED)
            assert "cannot be removed: Operation not permitted." in str(failed.reason)
        await place.deployer.take_down(failed)
        await place.wait(Status.DELETE_COMPLETE)


async def abandon(folder: Path, found: Deployment) -> None:
    """Keep a deployment as an orchestrator that died would have."""
    store = await DeploymentStore.open(folder)
    await store.put(found)
    await store.close()


async def started(folder: Path, command: str) -> tuple[Running, asyncio.subprocess.Process]:
    """Start a process as an orchestrator that died would have."""
    (program,) = (replace(each, notes=()) for each in planned(command))
    where = folder / "deployments" / NAME
    return await processes.start(program, NAME, where, processes.place_for(program))


def planned(command: str) -> tuple[Program, ...]:
    from deepaas.orchestrator.local.planning import Template

    return plan(Template(TEMPLATE, {"command": command}))


async def test_what_runs_is_found_again(tmp_path: Path) -> None:
    running, process = await started(tmp_path, "serve")
    await abandon(tmp_path, deployment(status=Status.CREATE_COMPLETE, processes=(running,)))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        # It is looked for before anything else is done.
        await asyncio.sleep(0)
        # Looked after as before: who ends is started again.
        process.kill()
        await process.wait()
        assert (await place.wait_up(running.pid)).port == running.port


@pytest.mark.parametrize("status", [Status.UPDATE_COMPLETE, Status.UPDATE_IN_PROGRESS])
async def test_what_ran_is_started_again(tmp_path: Path, status: Status) -> None:
    gone = Running("app", 1, "", "127.0.0.1", 1)
    found = deployment(template=UPDATABLE, status=status, processes=(gone,))
    await abandon(tmp_path, found)
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        await place.wait_up(gone.pid)
        await place.wait(Status.UPDATE_COMPLETE)


async def test_a_deletion_goes_on(tmp_path: Path) -> None:
    await abandon(tmp_path, deployment(status=Status.DELETE_IN_PROGRESS))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        await place.wait(Status.DELETE_COMPLETE)


@pytest.mark.parametrize("status", [Status.CREATE_FAILED, Status.DELETE_COMPLETE])
async def test_what_has_ended_is_left_alone(tmp_path: Path, status: Status) -> None:
    await abandon(tmp_path, deployment(status=status))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
    assert place.told == []


async def test_what_cannot_be_run_any_more_says_so(tmp_path: Path) -> None:
    await abandon(tmp_path, deployment("none", status=Status.CREATE_COMPLETE))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        assert (await place.wait(Status.CREATE_FAILED)).reason == "there is no 'none'"


async def test_a_job_is_not_run_twice(tmp_path: Path) -> None:
    """It is followed to its end, which nobody has seen; one that has ended stays as it was."""
    running, process = await started(tmp_path, "slow job")
    await abandon(tmp_path, deployment("slow job", processes=(running,)))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        await asyncio.sleep(0)
        process.kill()
        failed = await place.wait(Status.CREATE_FAILED)
        assert "its log says how far it came" in str(failed.reason)
        await process.wait()
    await abandon(tmp_path, deployment("job", status=Status.CREATE_COMPLETE))
    async with deploying(tmp_path) as place:
        await place.deployer.recover()
        await asyncio.wait_for(asyncio.gather(*place.deployer._tasks.values()), PATIENCE_S)
        assert place.told == []


async def test_changes_are_told_to_a_callback(tmp_path: Path) -> None:
    """The document has no links; an address that does not answer changes nothing."""
    told: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        told.append(json.loads(await request.read()))
        return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/changed", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/changed"
        async with paas(tmp_path) as one:
            first = await one.create("nothing", callback=url)
            nowhere = await one.create("nothing", callback="http://127.0.0.1:1/")
            await one.wait(first, "CREATE_FAILED")
            await one.wait(nowhere, "CREATE_FAILED")
    finally:
        await runner.cleanup()
    assert [(each["uuid"], each["status"]) for each in told] == [
        (first, "CREATE_IN_PROGRESS"),
        (first, "CREATE_FAILED"),
    ]
    assert told[0]["links"] == []
