# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trainings are shown as clients of 2.x know them, whatever became of them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from deepaas.records import Job, JobEnd, JobState
from deepaas.testing import InMemoryJobStore, make_job
from tests.unit.api.client import TRAIN, Client, echo_client
from tests.unit.parts import ROOT, eventually

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the training's own process find the model."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


async def shown(client: Client, job: str) -> Any:
    """Return a training as it is shown."""
    response = await client.get(f"{TRAIN}{job}")
    assert response.status == 200, await response.text()
    return await response.json()


async def ended(client: Client, job: str) -> Any:
    """Wait for a training's end and return it as it is shown."""
    return await eventually(lambda: shown(client, job), lambda found: found["status"] != "running")


async def kept(store: InMemoryJobStore, number: int, end: JobEnd | None, **changes: Any) -> Job:
    """Put a job into the store, as another server had left it."""
    job = make_job(number, model="echo", created=NOON, **changes)
    await store.add(job)
    if end is not None:
        may: dict[str, Any] = {"models": ["echo"], "kinds": ["train"], "slots": 100}
        await store.claim(job.id, server="gone", now=NOON, **may)
        job = await store.finish(job.id, end)
    return job


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("GET", ""), ("GET", "0"), ("DELETE", "0")]
)
async def test_trainings_are_switched_off(tmp_path: Path, method: str, path: str) -> None:
    async with echo_client(tmp_path, train=False) as client:
        response = await client.request(method, TRAIN + path)
        assert response.status == 402
        assert await response.text() == "402: Payment Required"


async def test_what_is_not_known(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    other = make_job(1, model="dog")
    await store.add(other)
    async with echo_client(tmp_path, store=store) as client:
        for job in ("0" * 32, other.id, "..%2f..", "x"):
            for method in ("GET", "DELETE"):
                response = await client.request(method, TRAIN + job)
                assert response.status == 404
                assert await response.text() == "404: Not Found"
        for method in ("GET", "POST"):
            response = await client.request(method, "/v2/models/dog/train/")
            assert response.status == 404


async def test_wrong_arguments(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(f"{TRAIN}?epochs=many")
        assert response.status == 422
        assert await response.json() == {"epochs": ["Not a valid integer."]}
        assert await (await client.get(TRAIN)).json() == []


async def test_a_training_that_fails(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        started = await (await client.post(f"{TRAIN}?how=raise")).json()
        found = await ended(client, started["uuid"])
        assert (found["status"], found["message"]) == ("error", "boom")
        assert "result" not in found


@pytest.mark.row("C72", "F11")
async def test_a_training_with_a_file_and_a_secret(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        form = FormData()
        form.add_field("data", b"miaow", filename="cat.txt", content_type="text/plain")
        form.add_field("token", "secret")
        form.add_field("epochs", "2")
        response = await client.post(TRAIN, data=form)
        assert response.status == 200
        started = await response.json()
        assert set(started) == {"date", "args", "uuid", "status"}
        assert re.fullmatch(DATE, started["date"])
        assert re.fullmatch("[0-9a-f]{32}", started["uuid"])
        assert started["status"] == "running"
        arguments = {"epochs": 2, "token": "***", "data": ["data", "text/plain", "cat.txt"]}
        assert started["args"] == arguments

        found = await ended(client, started["uuid"])
        assert found["status"] == "done"
        assert found["args"] == arguments
        assert found["result"]["output"]["data"]["content"] == "miaow"
        assert re.fullmatch(DATE, found["result"]["finish_date"])
        assert re.fullmatch(r"\d+:\d\d:\d\d(\.\d{6})?", found["result"]["duration"])
        assert found["progress"]["done"] == 2
        listed = await (await client.get(TRAIN)).json()
        assert [job["uuid"] for job in listed] == [started["uuid"]]


async def test_a_running_training_is_cancelled_and_leaves_the_view(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        started = await (await client.post(f"{TRAIN}?how=wait")).json()
        queued = await (await client.post(TRAIN)).json()
        assert queued["status"] == "running"
        await eventually(
            lambda: shown(client, started["uuid"]), lambda training: "progress" in training
        )
        for job in (queued, started):
            response = await client.delete(TRAIN + job["uuid"])
            assert response.status == 200
            assert (await response.json())["status"] == "cancelled"
            for method in ("GET", "DELETE"):
                assert (await client.request(method, TRAIN + job["uuid"])).status == 404
        assert await (await client.get(TRAIN)).json() == []


@pytest.mark.row("C68", "C69", "C70", "C74")
@pytest.mark.parametrize(
    ("end", "status", "more"),
    [
        (JobEnd(JobState.ERROR, NOON, "boom"), "error", {"message": "boom"}),
        (JobEnd(JobState.ERROR, NOON), "error", {"message": ""}),
        (
            JobEnd(JobState.INTERRUPTED, NOON, "The server was stopped."),
            "error",
            {"message": "interrupted: The server was stopped."},
        ),
        (JobEnd(JobState.CANCELLED, NOON), "cancelled", {}),
    ],
)
async def test_ends_are_told_in_words_that_old_clients_know(
    tmp_path: Path, end: JobEnd, status: str, more: dict[str, Any]
) -> None:
    store = InMemoryJobStore()
    job = await kept(store, 1, end)
    async with echo_client(tmp_path, store=store) as client:
        found = await shown(client, job.id)
        date = NOON.astimezone().strftime("%Y-%m-%d %H:%M:%S.000000")
        assert found == {"date": date, "args": {}, "uuid": job.id, "status": status, **more}
        # An ended one is answered unchanged when it is deleted.
        assert await (await client.delete(TRAIN + job.id)).json() == found


@pytest.mark.parametrize(("result", "output"), [("[1]", [1]), (None, None)])
async def test_a_result(tmp_path: Path, result: str | None, output: Any) -> None:
    store = InMemoryJobStore()
    finished = NOON + timedelta(hours=30, microseconds=5)
    job = await kept(store, 1, JobEnd(JobState.DONE, finished, None, result))
    async with echo_client(tmp_path, store=store) as client:
        found = await shown(client, job.id)
        assert found["result"]["output"] == output
        assert found["result"]["duration"] == "1 day, 6:00:00.000005"


async def test_the_list_is_a_bare_array_newest_last(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    for number in range(3):
        await kept(store, number, JobEnd(JobState.DONE, NOON, None, "1"))
    async with echo_client(tmp_path, store=store) as client:
        listed = await (await client.get(TRAIN)).json()
        assert [job["uuid"] for job in listed] == [make_job(number).id for number in (0, 1, 2)]


@pytest.mark.row("C77")
async def test_the_list_holds_the_newest_thousand(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    for number in range(1001):
        await kept(store, number, JobEnd(JobState.DONE, NOON, None, "1"))
    async with echo_client(tmp_path, store=store) as client:
        listed = await (await client.get(TRAIN)).json()
        assert [job["uuid"] for job in listed] == [make_job(number).id for number in range(1, 1001)]
