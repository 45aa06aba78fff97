# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The whole view of jobs: every job is found, in one shape, and errors say what to do."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from deepaas.api.app import ROUTES, create_app
from deepaas.api.keys import ApiSettings
from deepaas.auth import Policy
from deepaas.errors import Conflict
from deepaas.execution.jobdir import End, JobDirectory
from deepaas.model.encoding import encode_json
from deepaas.records import Job, JobEnd, JobState
from deepaas.store.base import Jobs
from deepaas.store.scenarios import TRAINS
from deepaas.testing import NOON, InMemoryJobStore, make_job
from tests.unit.api.client import TRAIN, Client, echo_client, opened
from tests.unit.parts import ROOT, Elsewhere, echo_service, eventually

JOBS = "/v2/models/echo/jobs/"
PARTS = ("log", "events", "metrics", "artifacts", "arguments")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the training's own process find the model."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


async def get(client: Client, path: str, status: int = 200, **options: Any) -> Any:
    response = await client.get(JOBS + path, **options)
    assert response.status == status, await response.text()
    wanted = "application/json" if status < 400 else "application/problem+json"
    assert response.content_type == wanted
    return await response.json(content_type=None)


async def started(client: Client, **options: Any) -> str:
    response = await client.post(TRAIN, **options)
    assert response.status == 200, await response.text()
    return str((await response.json())["uuid"])


async def ended(client: Client, job: str) -> Any:
    found = await eventually(
        lambda: get(client, job), lambda shown: shown["state"] not in ("queued", "running")
    )
    # The end is shown when it stands; the record follows when the processes are gone.
    unended = "?state=running&state=queued"
    await eventually(lambda: get(client, unended), lambda listed: not listed["jobs"])
    return found


async def kept(store: InMemoryJobStore, number: int, end: JobEnd | None = None, **more: Any) -> Job:
    job = make_job(number, model="echo", **more)
    await store.add(job)
    return job if end is None else await store.finish(job.id, end)


async def test_a_job_reads_as_the_interface_says(tmp_path: Path) -> None:
    async with echo_client(tmp_path, base_path="/x") as client:
        response = await client.post(f"/x{TRAIN}?epochs=2&token=secret")
        job = (await response.json())["uuid"]
        path = f"/x{JOBS}{job}"

        async def shown() -> Any:
            return await (await client.get(path)).json()

        found = await eventually(shown, lambda job: job["state"] == "done")
        assert list(found) == [
            *("id", "kind", "model", "state", "created", "started", "finished"),
            *("arguments", "progress", "message", "attempt", "links"),
        ]
        assert (found["id"], found["kind"], found["model"]) == (job, "train", "echo")
        assert found["arguments"] == {"epochs": 2, "token": "***"}
        assert (found["message"], found["attempt"]) == (None, 1)
        progress = found["progress"]
        assert (progress["done"], progress["total"]) == (2, 2)
        assert progress["metrics"] == {"loss": 0.5}
        moments = [found[name] for name in ("created", "started", "finished")]
        assert moments == sorted(moments)
        assert all(len(moment) == 27 and moment.endswith("Z") for moment in moments)
        links = {link["rel"]: link["href"] for link in found["links"]}
        assert links == {
            "self": path,
            **{part: f"{path}/{part}" for part in (*PARTS, "result")},
            "artifacts": f"{path}/artifacts/",
            "retry": f"{path}/retry",
        }
        for rel in set(links) - {"retry"}:
            assert (await client.get(links[rel])).status == 200, rel
        listed = await (await client.get(f"/x{JOBS}")).json()
        assert listed == {"jobs": [found], "next": None}


async def test_what_a_job_was_given_and_returned_and_measured(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        job = await started(client, params={"epochs": "1", "token": "secret"})
        await ended(client, job)
        assert await get(client, f"{job}/arguments") == {"epochs": 1, "token": "***"}
        assert (await get(client, f"{job}/result"))["epochs"] == 1
        series = (await get(client, f"{job}/metrics"))["metrics"]
        assert [point["value"] for point in series["loss"]] == [1]
        events = (await get(client, f"{job}/events"))["events"]
        assert [event["done"] for event in events if event["event"] == "progress"] == [1]


async def test_a_result_that_is_not_there_is_explained(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    failed = await kept(store, 1, JobEnd(JobState.ERROR, NOON, "boom"))
    nothing = await kept(store, 2, JobEnd(JobState.DONE, NOON))
    async with echo_client(tmp_path, store=store) as client:
        running = await started(client, params={"how": "wait"})
        problem = await get(client, f"{running}/result", 409)
        assert "it has no result" in problem["detail"]
        problem = await get(client, f"{failed.id}/result", 409)
        assert problem["detail"] == f"The job '{failed.id}' ended as error: it has no result."
        assert await get(client, f"{nothing.id}/result") is None


async def test_lists_are_filtered_ordered_and_cut(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    end = JobEnd(JobState.DONE, NOON)
    jobs = [await kept(store, n, end if n % 2 else JobEnd(JobState.ERROR, NOON)) for n in range(6)]
    odd = await kept(store, 6, end, kind="predict")
    await store.add(make_job(7, model="dog"))
    await store.hide(jobs[3].id, NOON)
    ids = [job.id for job in (*jobs, odd)]
    async with echo_client(tmp_path, store=store) as client:

        async def listed(query: str) -> list[int]:
            found = await get(client, query)
            return [ids.index(job["id"]) for job in found["jobs"]]

        assert await listed("") == [6, 5, 4, 3, 2, 1, 0]
        assert await listed("?order=oldest&limit=3") == [0, 1, 2]
        assert await listed("?state=error") == [4, 2, 0]
        assert await listed("?state=error&state=done&kind=train") == [5, 4, 3, 2, 1, 0]
        assert await listed("?kind=predict") == [6]
        assert await listed("?state=queued") == []
        for query in ("limit=2", "limit=3&order=oldest", "limit=2&state=done", "limit=7"):
            found: list[str] = []
            cursor = ""
            while True:
                page = await get(client, f"?{query}{cursor}")
                found += [job["id"] for job in page["jobs"]]
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
            whole = (await get(client, f"?{query.partition('&')[2]}"))["jobs"]
            assert found == [job["id"] for job in whole]


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("state=dead", "state", "'dead' is none of: queued, running, done,"),
        ("kind=x", "kind", "'x' is none of: train, predict, evaluate."),
        ("order=up", "order", "'up' is none of: newest, oldest."),
        ("limit=0", "limit", "0 is not between 1 and 1000."),
        ("limit=1001", "limit", "1001 is not between 1 and 1000."),
        ("limit=many", "limit", "Not a valid integer."),
        ("cursor=here", "cursor", "'here' is no cursor: give the 'next' of the page before."),
    ],
)
async def test_parameters_that_are_wrong(tmp_path: Path, query: str, name: str, words: str) -> None:
    async with echo_client(tmp_path) as client:
        problem = await get(client, f"?{query}", 422)
        assert list(problem["errors"]) == [name]
        assert words in json.dumps(problem["errors"])


async def test_what_is_not_known(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    await store.add(make_job(1, model="dog"))
    async with echo_client(tmp_path, store=store) as client:
        for job in ("0" * 32, make_job(1).id, "x", "..%2f.."):
            for part in ("", "/log", "/events", "/metrics", "/artifacts/", "/artifacts/a"):
                problem = await get(client, job + part, 404)
                assert problem["title"] == "Not Found"
            for method, part in (("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
                assert (await client.request(method, JOBS + job + part)).status == 404
        assert (await client.get("/v2/models/dog/jobs/")).status == 404


async def test_what_is_switched_off(tmp_path: Path) -> None:
    async with echo_client(tmp_path, train=False, predict=False) as client:
        await get(client, "", 402)
        await get(client, "0" * 32, 402)


async def test_where_predictions_are_on_jobs_are_shown_and_trainings_are_not_started_anew(
    tmp_path: Path,
) -> None:
    store = InMemoryJobStore()
    job = await kept(store, 1, JobEnd(JobState.DONE, NOON))
    async with echo_client(tmp_path, train=False, store=store) as client:
        assert [each["id"] for each in (await get(client, ""))["jobs"]] == [job.id]
        assert (await client.post(f"{JOBS}{job.id}/retry")).status == 402


@pytest.mark.row("C76")
async def test_what_was_deleted_from_the_trainings_is_still_here(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        job = await started(client)
        await ended(client, job)
        assert (await client.delete(TRAIN + job)).status == 200
        assert (await client.get(TRAIN + job)).status == 404
        assert (await get(client, job))["state"] == "done"
        assert [found["id"] for found in (await get(client, ""))["jobs"]] == [job]


async def test_cancelling_may_be_repeated_and_comes_too_late_for_what_has_ended(
    tmp_path: Path,
) -> None:
    async with echo_client(tmp_path) as client:
        running = await started(client, params={"how": "wait"})
        queued = await started(client)
        await eventually(lambda: get(client, running), lambda shown: shown["progress"])
        for job in (queued, running, running):
            response = await client.post(f"{JOBS}{job}/cancel")
            assert response.status == 200
            assert (await response.json())["state"] == "cancelled"
            # It is never shown otherwise again, though its processes may still be there.
            assert (await get(client, job))["state"] == "cancelled"
        done = await started(client)
        await ended(client, done)
        response = await client.post(f"{JOBS}{done}/cancel")
        assert (response.status, (await response.json())["state"]) == (200, "done")


async def test_an_end_that_cannot_be_read_is_left_to_who_follows_the_job(tmp_path: Path) -> None:
    store = Elsewhere()
    job = await kept(store, 1)
    await store.claim(job.id, server="other", models=["echo"], slots=9, **TRAINS)
    async with echo_client(tmp_path, store=store) as client:
        directory = JobDirectory(tmp_path / "jobs" / job.id)
        directory.create(b"")
        (directory.path / "end.json").write_text("{")
        assert (await get(client, job.id))["state"] == "running"
        (directory.path / "end.json").unlink()
        directory.decide(End.now("error", "boom"))
        found = await get(client, job.id)
        assert (found["state"], found["message"]) == ("error", "boom")


async def test_a_job_is_started_anew_with_its_files(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        form = FormData()
        form.add_field("data", b"miaow", filename="cat.txt", content_type="text/plain")
        form.add_field("token", "secret")
        first = await started(client, data=form)
        response = await client.post(f"{JOBS}{first}/retry")
        assert response.status in (201, 409)
        if response.status == 409:
            problem = await response.json(content_type=None)
            assert "cancel it first" in problem["detail"]
        before = await ended(client, first)
        assert (await client.delete(TRAIN + first)).status == 200
        response = await client.post(f"{JOBS}{first}/retry")
        assert response.status == 201
        again = await response.json()
        assert response.headers["Location"] == f"{JOBS}{again['id']}"
        assert (again["state"], again["attempt"]) == ("queued", 1)
        assert again["id"] != first
        assert again["arguments"] == before["arguments"]
        await client.delete(JOBS + first)
        assert (await ended(client, again["id"]))["state"] == "done"
        data = (await get(client, f"{again['id']}/result"))["data"]
        assert (data["content"], data["original"]) == ("miaow", "cat.txt")
        assert again["id"] in data["path"]
        assert (await get(client, f"{again['id']}/result"))["token"] == "secret"


async def test_a_json_body_goes_along(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        first = await started(client, json={"epochs": 2})
        await ended(client, first)
        response = await client.post(f"{JOBS}{first}/retry")
        again = (await response.json())["id"]
        await ended(client, again)
        assert (await get(client, f"{again}/result"))["epochs"] == 2


async def test_what_cannot_be_started_anew(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    lost = await kept(store, 1, JobEnd(JobState.ERROR, NOON))
    async with echo_client(tmp_path, store=store) as client:
        running = await started(client, params={"how": "wait"})
        for job, words in ((running, "cancel it first"), (lost.id, "files of the job")):
            response = await client.post(f"{JOBS}{job}/retry")
            assert response.status == 409
            assert words in (await response.json(content_type=None))["detail"]


async def test_an_ended_job_is_removed_with_its_directory(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        running = await started(client, params={"how": "wait"})
        response = await client.delete(JOBS + running)
        assert response.status == 409
        assert "cancel it first" in (await response.json(content_type=None))["detail"]
        await eventually(lambda: get(client, running), lambda shown: shown["progress"])
        await client.post(f"{JOBS}{running}/cancel")
        response = await eventually(
            lambda: client.delete(JOBS + running), lambda answer: answer.status != 409
        )
        assert (response.status, await response.text()) == (204, "")
        assert list((tmp_path / "jobs").iterdir()) == []
        await get(client, running, 404)
        assert (await client.delete(JOBS + running)).status == 404
        assert await get(client, "") == {"jobs": [], "next": None}


class Stubborn(InMemoryJobStore):
    """A store that removes nothing."""

    async def remove(self, job_id: str) -> None:
        """Refuse."""
        raise Conflict("not now")


class Removed(InMemoryJobStore):
    """A store from which somebody else removes first."""

    async def remove(self, job_id: str) -> None:
        """Remove twice."""
        await super().remove(job_id)
        await super().remove(job_id)


async def test_a_job_that_is_not_removed_keeps_its_files(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Stubborn()) as client:
        job = await started(client)
        await ended(client, job)
        assert (await client.delete(JOBS + job)).status == 409
        assert (tmp_path / "jobs" / job / "end.json").exists()


async def test_of_two_who_remove_one_is_faster(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Removed()) as client:
        job = await started(client)
        await ended(client, job)
        assert (await client.delete(JOBS + job)).status == 204
        assert list((tmp_path / "jobs").iterdir()) == []


async def test_the_artifacts_come_with_how_they_were_made(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        job = await started(client)
        await ended(client, job)
        record = (await get(client, f"{job}/artifacts/"))["record"]
        assert record["model"]["name"] == "echo"
        assert record["arguments"] == (await get(client, job))["arguments"]
        assert record["finished"] > record["started"]


async def test_what_is_a_version_is_not_removed(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        job = await started(client)
        await ended(client, job)
        store = service.versions._store
        assert store is not None
        await store.promote("echo", job, server="a", by=None, now=NOON)
        response = await client.delete(JOBS + job)
        assert response.status == 409
        assert "was promoted" in (await response.json(content_type=None))["detail"]
        assert (await get(client, job))["state"] == "done"


async def test_what_becomes_a_version_meanwhile_is_put_back(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        job = await started(client)
        await ended(client, job)
        require = service.versions.require_not_promoted

        async def late(job_id: str) -> None:
            store = service.versions._store
            assert store is not None
            await require(job_id)
            await store.promote("echo", job_id, server="a", by=None, now=NOON)

        service.versions.require_not_promoted = late  # type: ignore[method-assign]
        assert (await client.delete(JOBS + job)).status == 409
        service.versions.require_not_promoted = require  # type: ignore[method-assign]
        assert (tmp_path / "jobs" / job / "end.json").exists()
        assert (await get(client, job))["state"] == "done"


async def test_what_models_raise_is_hidden_where_the_operator_says_so(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    stopped = await kept(store, 1, JobEnd(JobState.INTERRUPTED, NOON, "The server was stopped."))
    async with echo_service(tmp_path, store=store) as service:
        settings = ApiSettings(hide_model_errors=True)
        async with opened(create_app(service, settings)) as client:
            job = await started(client, params={"how": "raise"})
            found = await ended(client, job)
            assert (found["state"], found["message"]) == (
                "error",
                "The job failed; its log, which the service keeps, says why.",
            )
            assert (await get(client, stopped.id))["message"] == "The server was stopped."
            events = tmp_path / "jobs" / job / "events.jsonl"
            line = {"event": "state", "state": "error", "message": "boom"}
            with events.open("a") as file:
                file.write(json.dumps(line) + "\n")
            for accept in ("application/json", "text/event-stream"):
                headers = {"Accept": accept}
                response = await client.get(f"{JOBS}{job}/events", headers=headers)
                assert "boom" not in await response.text()
            for path in (f"{job}/log", f"{job}/log?follow=true", f"{job}/log?tail=1"):
                problem = await get(client, path, 403)
                assert problem["detail"].startswith("Logs are not shown here")


async def test_what_an_attempt_raised_is_hidden_while_another_follows(tmp_path: Path) -> None:
    store = Elsewhere()
    job = await kept(store, 1)
    async with echo_service(tmp_path, store=store) as service:
        settings = ApiSettings(hide_model_errors=True)
        async with opened(create_app(service, settings)) as client:
            assert (await get(client, job.id))["message"] is None
            slots = {"models": ["echo"], "slots": 9, **TRAINS}
            await store.claim(job.id, server="a", **slots)
            await store.unclaim(job.id, server="a", message="Attempt 1 failed: boom")
            directory = JobDirectory(tmp_path / "jobs" / job.id)
            directory.create(b"")
            directory.note_state("error", 1, "boom")
            directory.note_state("queued", 2, "Attempt 1 failed: boom")
            told = "An attempt did not succeed; the log, which the service keeps, says why."
            assert (await get(client, job.id))["message"] == told
            await store.claim(job.id, server="a", **slots)
            directory.note_state("running", 2)
            assert (await get(client, job.id))["message"] == told
            events = (await get(client, f"{job.id}/events"))["events"]
            assert [(event["state"], event["message"]) for event in events] == [
                ("error", "The job failed; its log, which the service keeps, says why."),
                ("queued", told),
                ("running", None),
            ]


def test_policies_are_those_of_reading_and_training() -> None:

    found = {
        (row.method, row.path.partition("{job}")[2]): row.policy
        for row in ROUTES
        if "jobs/" in row.path
    }
    train = {("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry")}
    assert {what for what, policy in found.items() if policy is Policy.TRAIN} == train
    assert found.pop(("POST", "/promote")) is Policy.MANAGE
    assert {policy for what, policy in found.items() if what not in train} == {Policy.READ}


async def test_the_second_page_begins_at_the_very_microsecond(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    for n in range(3):
        await kept(store, n, created=NOON + timedelta(microseconds=n))
    async with echo_client(tmp_path, store=store, train=True) as client:
        page = await get(client, "?limit=1")
        assert page["next"].endswith("-" + make_job(2).id)
        following = await get(client, f"?limit=1&cursor={page['next']}")
        assert following["jobs"][0]["id"] == make_job(1).id


@pytest.mark.parametrize("path", [JOBS, TRAIN])
async def test_lists_are_encoded_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    threads = []

    def noting(value: Any) -> bytes:
        threads.append(threading.current_thread())
        return encode_json(value)

    for module in ("jobs", "train"):
        monkeypatch.setattr(f"deepaas.api.v2.{module}.encode_json", noting)
    async with echo_client(tmp_path) as client:
        assert (await client.get(path)).status == 200
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


class Listing(InMemoryJobStore):
    """A store that notes for which lists it reads results."""

    def __init__(self) -> None:
        super().__init__()
        self.with_results: list[bool] = []

    async def list(self, *args: Any, with_results: bool = True, **options: Any) -> Jobs:
        """Note and list."""
        self.with_results.append(with_results)
        return await super().list(*args, with_results=with_results, **options)


async def test_results_are_read_for_the_list_that_shows_them(tmp_path: Path) -> None:
    store = Listing()
    job = await kept(store, 1, JobEnd(JobState.DONE, NOON, None, "[1]"))
    async with echo_client(tmp_path, store=store) as client:
        assert [found["id"] for found in (await get(client, ""))["jobs"]] == [job.id]
        (training,) = await (await client.get(TRAIN)).json()
        assert training["result"]["output"] == [1]
    assert store.with_results[-2:] == [False, True]
