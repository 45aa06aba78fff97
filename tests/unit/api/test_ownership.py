# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is there for who made it; its id is of no use to anybody else.

Every route that names a job is tried, with the guard on and off.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deepaas.api.app import ROUTES, create_app
from deepaas.api.routing import Route
from deepaas.auth import NoSignIn, Policy
from deepaas.auth.access import AccessRules
from deepaas.auth.keyring import KeyRing
from deepaas.auth.keys import make_key
from deepaas.auth.signin import SignIn
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import CallInput, Job, JobEnd, JobState
from deepaas.testing import NOON, make_job
from tests.unit.api.client import Client, opened
from tests.unit.parts import ECHO, Elsewhere, echo_service

#: The roles of each key.
ROLES = {
    "ada": ("train",),
    "eve": ("train",),
    "paul": ("predict",),
    "ops": ("manage",),
    "watcher": ("train",),
}
KEYS = {name: make_key(name, roles) for name, roles in ROLES.items()}
JOBS = "/v2/models/echo/jobs/"
TRAININGS = "/v2/models/echo/train/"
UNKNOWN = "f" * 32
#: All that name a job and are not for managers only, who see the jobs of everybody.
OF_A_JOB = [
    route
    for route in ROUTES
    if ("{job}" in route.path or "{uuid}" in route.path) and route.policy is not Policy.MANAGE
]
CHANGES = [route for route in OF_A_JOB if route.method != "GET"]


class Scene(NamedTuple):
    """A service whose jobs a test writes by hand; none of them runs."""

    client: Client
    store: Elsewhere
    folder: Path
    numbers: Iterator[int]

    async def add(
        self, owner: str | None, *, state: JobState | None = JobState.DONE, **changes: Any
    ) -> Job:
        """Add a job that left a file, a log and a result."""
        job = make_job(next(self.numbers), model="echo", owner=owner, **changes)
        await self.store.add(job)
        directory = JobDirectory(self.folder / job.id)
        directory.create(JobCall(ECHO, CallInput(), warm=False).dump())
        directory.log.write_text("its log")
        (directory.artifacts / "m.bin").write_bytes(b"weights")
        if state is None:
            return job
        return await self.store.finish(job.id, JobEnd(state, NOON, None, '{"secret": 1}'))

    async def ask(
        self, who: str | None, route: Route, job_id: str, **options: Any
    ) -> tuple[int, str]:
        """Return the answer's status and text, in which the id stands as ID."""
        path = route.path.replace("{model}", "echo").replace("{job}", job_id)
        path = path.replace("{uuid}", job_id).replace("{path:(?s:.+)}", "m.bin")
        async with self.client.request(
            route.method, path, headers=header(who), **options
        ) as response:
            return response.status, (await response.text()).replace(job_id, "ID")

    async def listed(self, who: str | None, path: str = JOBS, **params: str) -> list[str]:
        async with self.client.get(path, headers=header(who), params=params) as response:
            assert response.status == 200
            found = await response.json()
        return [job["uuid"] for job in found] if path == TRAININGS else _ids(found)


def _ids(page: Any) -> list[str]:
    return [job["id"] for job in page["jobs"]]


def header(who: str | None) -> dict[str, str]:
    return {} if who is None else {"X-API-Key": KEYS[who][0]}


@asynccontextmanager
async def scene(tmp_path: Path, **allow: str) -> AsyncIterator[Scene]:
    rules = AccessRules.parse({Policy(right): text for right, text in allow.items()})
    text = "\n".join(record.line for _, record in KEYS.values())
    door = SignIn(rules, KeyRing([], text, principal_of=rules.principal_of))
    store = Elsewhere()
    async with (
        echo_service(tmp_path, store=store) as service,
        opened(create_app(service, authenticator=door)) as client,
    ):
        yield Scene(client, store, tmp_path / "jobs", count(1))


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


async def test_the_id_of_another_s_job_is_as_good_as_none(tmp_path: Path) -> None:
    """The answer is, to the letter, that to an id that was never given."""
    async with scene(tmp_path, read="anonymous", predict="anonymous", train="anonymous") as there:
        for route in OF_A_JOB:
            job = await there.add("key:ada")
            unknown = await there.ask("eve", route, UNKNOWN)
            assert unknown[0] == 404, name_of(route)
            for who in ("eve", None):
                assert await there.ask(who, route, job.id) == unknown, name_of(route)
            assert await there.store.get(job.id) == job
            assert (there.folder / job.id / "artifacts" / "m.bin").exists()


@pytest.mark.parametrize("who", ["ada", "ops"])
async def test_who_made_a_job_or_manages_the_model_is_answered(tmp_path: Path, who: str) -> None:
    async with scene(tmp_path) as there:
        for route in OF_A_JOB:
            job = await there.add("key:ada")
            status, text = await there.ask(who, route, job.id)
            assert status in (200, 201, 204), f"{name_of(route)}: {text}"


async def test_with_the_right_to_see_the_jobs_of_others_they_are_seen_and_not_changed(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, jobs="key:watcher") as there:
        for route in OF_A_JOB:
            job = await there.add("key:ada")
            status, text = await there.ask("watcher", route, job.id)
            assert status == (403 if route in CHANGES else 200), f"{name_of(route)}: {text}"
            assert route not in CHANGES or "another's" in text
            assert await there.store.get(job.id) == job


async def test_without_sign_in_every_job_is_everybody_s(tmp_path: Path) -> None:
    """The guard is off: the same requests reach the job of another."""
    store = Elsewhere()
    async with (
        echo_service(tmp_path, store=store) as service,
        opened(create_app(service, authenticator=NoSignIn())) as client,
    ):
        there = Scene(client, store, tmp_path / "jobs", count(1))
        for route in OF_A_JOB:
            job = await there.add("key:ada")
            status, text = await there.ask(None, route, job.id)
            assert status in (200, 201, 204), f"{name_of(route)}: {text}"
        await there.add(None)
        assert len(await there.listed(None)) > 1


async def test_lists_show_one_s_own_page_by_page(tmp_path: Path) -> None:
    async with scene(tmp_path, read="anonymous", jobs="key:watcher") as there:
        jobs = [await there.add(owner) for owner in ("key:ada", "key:eve", None) * 4]
        newest = [job.id for job in reversed(jobs)]
        of_ada = [job.id for job in reversed(jobs) if job.owner == "key:ada"]
        for path, step in ((JOBS, 1), (TRAININGS, -1)):
            assert await there.listed("ada", path) == of_ada[::step]
            assert await there.listed("paul", path) == []
            assert await there.listed(None, path) == []
            for who in ("ops", "watcher"):
                assert await there.listed(who, path) == newest[::step]
        params = {"limit": "3"}
        async with there.client.get(JOBS, headers=header("ada"), params=params) as response:
            page = await response.json()
        rest = await there.listed("ada", cursor=page["next"], limit="3")
        assert _ids(page) + rest == of_ada


async def test_the_job_of_an_anonymous_caller_is_there_for_who_knows_its_id(tmp_path: Path) -> None:
    """For those who have not signed in: nothing tells them apart."""
    async with scene(tmp_path, read="anonymous", train="anonymous") as there:
        for route in OF_A_JOB:
            job = await there.add(None)
            assert (await there.ask("eve", route, job.id))[0] == 404, name_of(route)
            status, text = await there.ask(None, route, job.id)
            assert status in (200, 201, 204), f"{name_of(route)}: {text}"


@pytest.mark.parametrize("route", CHANGES, ids=name_of)
async def test_to_change_a_job_takes_the_right_to_make_one_of_its_kind(
    tmp_path: Path, route: Route
) -> None:
    """Who may predict deals with queued predictions, and with trainings no more."""
    async with scene(tmp_path) as there:
        prediction = await there.add("key:paul", kind="predict")
        for kind in ("train", "evaluate"):
            earlier = await there.add("key:paul", kind=kind)  # when paul still might
            status, text = await there.ask("paul", route, earlier.id)
            assert status == 403
            assert "train" in text
            assert await there.store.get(earlier.id) == earlier
        if "{job}" in route.path:
            status, text = await there.ask("paul", route, prediction.id)
            assert status in (200, 201, 204), text


async def test_what_one_queues_is_one_s_own(tmp_path: Path) -> None:
    """From the answer on, through the store: the owner is the name of the key."""
    async with scene(tmp_path) as there:
        queued = {**header("paul"), "Prefer": "respond-async", "Idempotency-Key": "one"}
        url = "/v2/models/echo/predict/?text=x"
        async with there.client.post(url, headers=queued) as response:
            assert response.status == 202
            job_id = (await response.json())["id"]
        assert (await there.store.get(job_id)).owner == "key:paul"
        assert await there.listed("paul") == [job_id]
        assert await there.listed("ada") == []
        # The same key of another principal is another request.
        async with there.client.post(url, headers={**queued, **header("ada")}) as response:
            assert (await response.json())["id"] != job_id


async def test_who_manages_promotes_the_training_of_another_and_only_they_see_who_did(
    tmp_path: Path,
) -> None:
    versions = "/v2/models/echo/versions/"
    async with scene(tmp_path) as there:
        job = await there.add("key:ada")
        path = f"{JOBS}{job.id}/promote"
        async with there.client.post(path, headers=header("ada")) as response:
            assert response.status == 403
        async with there.client.post(path, headers=header("ops")) as response:
            assert response.status == 200
            assert (await response.json())["promoted_by"] == "key:ops"
        for who, told in (("ops", "key:ops"), ("ada", None)):
            async with there.client.get(versions, headers=header(who)) as response:
                newest = (await response.json())["versions"][0]
            assert newest["promoted_by"] == told
            assert newest["job"] == job.id


@pytest.mark.parametrize("owner", ["key:ada", None])
async def test_a_version_names_its_job_to_who_sees_that_and_to_nobody_else(
    tmp_path: Path, owner: str | None
) -> None:
    """Not even to anonymous callers that of an anonymous one: whoever knows its id has it."""
    versions = "/v2/models/echo/versions/"
    async with scene(tmp_path, read="anonymous", train="anonymous", jobs="key:watcher") as there:
        job = await there.add(owner)
        path = f"{JOBS}{job.id}/promote"
        async with there.client.post(path, headers=header("ops")) as response:
            assert (await response.json())["job"] == job.id
        evaluation = await there.add(owner, kind="evaluate", version=1)
        for who in ("ops", "watcher", "ada", "eve", None):
            async with there.client.get(versions, headers=header(who)) as response:
                text = await response.text()
            knows = who in ("ops", "watcher") or (owner is not None and owner == f"key:{who}")
            assert (job.id in text) is knows
            assert (evaluation.id in text) is knows
            newest = json.loads(text)["versions"][0]
            assert newest["served"] is True
            assert newest["evaluation"]["metrics"] == {}


async def test_the_metrics_name_running_jobs_to_who_sees_those_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, read="anonymous", train="anonymous", jobs="key:watcher") as there:
        job = await there.add(None, state=None)
        report = {"event": "progress", "attempt": job.attempt, "done": 1, "total": 4}
        JobDirectory(there.folder / job.id).events.write_text(f"{json.dumps(report)}\n")

        async def running() -> list[Job]:
            return [job]

        monkeypatch.setattr(there.store, "running", running)
        for who in ("ops", "watcher", "ada", None):
            async with there.client.get("/metrics", headers=header(who)) as response:
                text = await response.text()
            assert (job.id in text) is (who in ("ops", "watcher"))
            assert 'deepaas_model_ready{model="echo"} 1.0' in text


async def test_no_cache_on_the_way_answers_one_with_what_is_for_another(tmp_path: Path) -> None:
    """What a cache may keep it has to ask for again, with what the next caller signs in with."""
    async with scene(tmp_path) as there:
        job = await there.add("key:ada")
        shared = ("/v2/models/", "/metrics", "/openapi.json", "/v2/models/echo/versions/")
        of_the_job = [route.path for route in OF_A_JOB if route.method == "GET"]
        for path in (*shared, *of_the_job, JOBS, "/nowhere"):
            for who in ("ada", "eve", None):
                filled = path.replace("{model}", "echo").replace("{job}", job.id)
                filled = filled.replace("{uuid}", job.id).replace("{path:(?s:.+)}", "m.bin")
                async with there.client.get(filled, headers=header(who)) as response:
                    said = response.headers.get("Cache-Control")
                assert said in ("no-store", "no-cache"), f"{path} for {who}"
        async with there.client.get("/v2/health/live") as response:
            assert "Cache-Control" not in response.headers
