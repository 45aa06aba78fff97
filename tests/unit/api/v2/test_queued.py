# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A queued prediction is accepted with 202, and its result is what the direct call would give."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientResponse, FormData

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.testing import InMemoryJobStore
from tests.unit.api.client import PREDICT, TRAIN, Client, echo_client, opened
from tests.unit.parts import Elsewhere, echo_service, eventually, until

JOBS = "/v2/models/echo/jobs/"
ASYNC = {"Prefer": "respond-async"}
FINAL = ("done", "error", "cancelled", "interrupted")
#: What an answer is made of; the rest tells of the connection, and of the request.
TOLD = ("Content-Type", "Content-Disposition", "Content-Length", "X-Model-Version")


class Told(NamedTuple):
    """What a client was answered."""

    status: int
    reason: str | None
    headers: Mapping[str, str | None]
    body: bytes


async def told(response: ClientResponse) -> Told:
    headers = {name: response.headers.get(name) for name in TOLD}
    return Told(response.status, response.reason, headers, await response.read())


async def queued(client: Client, path: str = PREDICT, **request: Any) -> str:
    """Queue a prediction, and return its path."""
    headers = {**ASYNC, **request.pop("headers", {})}
    response = await client.post(path, headers=headers, **request)
    assert response.status == 202, await response.text()
    return response.headers["Location"]


async def shown(client: Client, path: str) -> Any:
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.json()


async def ended(client: Client, path: str) -> Any:
    return await eventually(lambda: shown(client, path), lambda job: job["state"] in FINAL)


async def test_it_is_accepted_as_a_job(tmp_path: Path) -> None:
    async with echo_client(tmp_path, base_path="/x") as client:
        response = await client.post(f"/x{PREDICT}?text=a", headers=ASYNC)
        assert response.status == 202
        assert response.headers["Preference-Applied"] == "respond-async"
        job = await response.json()
        path = f"/x{JOBS}{job['id']}"
        assert response.headers["Location"] == path
        assert (job["kind"], job["model"]) == ("predict", "echo")
        assert job["arguments"]["text"] == "a"
        done = await ended(client, path)
        assert (done["state"], done["message"], done["attempt"]) == ("done", None, 1)
        assert {"rel": "result", "href": f"{path}/result"} in done["links"]
        listed = await shown(client, f"/x{JOBS}?kind=predict")
        assert [each["id"] for each in listed["jobs"]] == [job["id"]]
        assert (await shown(client, f"/x{JOBS}?kind=train"))["jobs"] == []
        assert await shown(client, f"/x{TRAIN}") == []
        # The end that is decided is shown a moment before the event that tells it is written.
        found = await eventually(
            lambda: shown(client, f"{path}/events"), lambda found: len(found["events"]) == 3
        )
        assert [each["state"] for each in found["events"]] == ["queued", "running", "done"]
        assert (await shown(client, f"{path}/artifacts/"))["artifacts"] == []


def upload() -> FormData:
    form = FormData()
    form.add_field("data", b"archive", filename="a.zip", content_type="application/zip")
    form.add_field("text", "né.zip")
    return form


LARGE = {"text": "x" * 300_000}


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: {"params": {"text": "a"}},
        lambda: {"json": {"values": [1, 2.5]}},
        lambda: {"json": LARGE},
        lambda: {"headers": {"Accept": "text/plain"}},
        lambda: {"headers": {"Accept": "image/png"}},
        lambda: {"headers": {"Accept": "application/zip"}, "data": upload()},
        *(
            lambda how=how: {"params": {"how": how}}
            for how in ("raise", "invalid", "strange", "missing", "conflict", "empty")
        ),
    ],
)
async def test_the_result_is_what_the_direct_call_would_have_given(
    tmp_path: Path, request_of: Any
) -> None:
    async with echo_client(tmp_path) as client:
        direct = await told(await client.post(PREDICT, **request_of()))
        path = await queued(client, **request_of())
        job = await ended(client, path)
        assert job["state"] == ("done" if direct.status < 400 else "error")
        for _ in range(2):  # it stays
            result = await client.get(f"{path}/result")
            assert await told(result) == direct
            assert result.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("place", ["json", "data"])
async def test_of_a_long_argument_only_its_length_is_shown(tmp_path: Path, place: str) -> None:
    """Whether a worker reads it, or the server does."""
    async with echo_client(tmp_path) as client:
        text = "x" * 300_000
        given: Any = {place: {"text": text, "number": "1"}}
        path = await queued(client, **given)
        job = await ended(client, path)
        assert job["arguments"]["text"] == "(300002 bytes of JSON)"
        assert job["arguments"]["number"] == 1
        answer = await (await client.get(f"{path}/result")).json()
        assert answer["predictions"] == {"text": text, "number": 1}


async def test_what_a_model_raises_is_the_job_s_message(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        path = await queued(client, params={"how": "raise"})
        assert (await ended(client, path))["message"] == "ValueError: boom"


async def test_a_result_can_be_asked_for_in_part(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        path = await queued(client, headers={"Accept": "image/png"})
        await ended(client, path)
        head = await client.head(f"{path}/result")
        assert head.headers["Content-Length"] == str(4 + 1024 * 1024)
        part = await client.get(f"{path}/result", headers={"Range": "bytes=1-3"})
        assert (part.status, await part.read()) == (206, b"PNG")


@pytest.mark.parametrize("body", [{"number": -1}, {"number": -1, **LARGE}])
async def test_wrong_arguments_are_not_queued(tmp_path: Path, body: Any) -> None:
    """Found by the server, and by a worker where the input is large."""
    async with echo_client(tmp_path) as client:
        direct = await told(await client.post(PREDICT, json=body))
        assert direct.status == 422
        assert await told(await client.post(PREDICT, json=body, headers=ASYNC)) == direct
        assert (await shown(client, JOBS))["jobs"] == []


async def test_a_preference_that_is_not_known_changes_nothing(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(PREDICT, headers={"Prefer": "wait=3, return=minimal"})
        assert response.status == 200
        assert "Preference-Applied" not in response.headers
        assert (await shown(client, JOBS))["jobs"] == []


async def test_an_answer_that_comes_in_time_is_given_at_once(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        headers = {"Prefer": "respond-async, wait=60"}
        for params in ({"text": "a"}, {"how": "invalid"}):
            direct = await told(await client.post(PREDICT, params=params))
            response = await client.post(PREDICT, params=params, headers=headers)
            assert response.headers["Preference-Applied"] == "respond-async, wait=60"
            assert await told(response) == direct
        assert len((await shown(client, JOBS))["jobs"]) == 2


async def test_an_answer_to_a_call_is_never_one_that_the_client_has(tmp_path: Path) -> None:
    """It may have changed something; a result that is asked for may be known already."""
    async with echo_client(tmp_path) as client:
        headers = {"Prefer": "respond-async, wait=60", "If-None-Match": "*"}
        response = await client.post(PREDICT, headers=headers)
        assert (response.status, "predictions" in await response.json()) == (200, True)
        job = (await shown(client, JOBS))["jobs"][0]
        for method in (client.get, client.head):
            result = await method(f"{JOBS}{job['id']}/result", headers={"If-None-Match": "*"})
            assert result.status == 304


async def test_one_that_does_not_come_in_time_is_a_job(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Elsewhere()) as client:
        response = await client.post(PREDICT, headers={"Prefer": "respond-async, wait=0"})
        assert response.status == 202
        path = response.headers["Location"]
        result = await client.get(f"{path}/result")
        assert result.status == 409
        assert "is queued: it has no result" in (await result.json())["detail"]


async def test_one_that_ends_without_an_answer_in_time_is_a_job(tmp_path: Path) -> None:
    store = Elsewhere()
    async with echo_client(tmp_path, store=store) as client:
        headers = {"Prefer": "respond-async, wait=60"}
        answering = asyncio.ensure_future(client.post(PREDICT, headers=headers))
        listed = await eventually(lambda: shown(client, JOBS), lambda found: found["jobs"])
        await client.post(f"{JOBS}{listed['jobs'][0]['id']}/cancel")
        response = await answering
        assert response.status == 202
        assert (await response.json())["state"] == "cancelled"


async def test_one_that_is_queued_is_cancelled_and_removed(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Elsewhere()) as client:
        path = await queued(client)
        assert (await client.delete(path)).status == 409
        for _ in range(2):
            cancelled = await client.post(f"{path}/cancel")
            assert (await cancelled.json())["state"] == "cancelled"
        result = await client.get(f"{path}/result")
        assert result.status == 409
        assert "ended as cancelled" in (await result.json())["detail"]
        assert (await client.delete(path)).status == 204
        assert (await client.get(path)).status == 404
        assert (await client.get(f"{path}/result")).status == 404


async def test_one_is_run_again_when_it_is_asked_for(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        headers = {"Accept": "application/zip"}
        path = await queued(client, headers=headers, data=upload())
        await ended(client, path)
        first = await told(await client.get(f"{path}/result"))
        again = await client.post(f"{path}/retry", headers={"Idempotency-Key": "k"})
        assert again.status == 201
        job = await again.json()
        assert job["kind"] == "predict"
        repeated = await client.post(f"{path}/retry", headers={"Idempotency-Key": "k"})
        assert (await repeated.json())["id"] == job["id"]
        await ended(client, again.headers["Location"])
        assert await told(await client.get(f"{again.headers['Location']}/result")) == first


async def test_one_that_has_not_ended_is_not_run_again(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Elsewhere()) as client:
        path = await queued(client)
        assert (await client.post(f"{path}/retry")).status == 409
        assert (await client.post(f"{JOBS}{'0' * 32}/retry")).status == 404


async def test_the_same_request_again_queues_nothing(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        headers = {"Idempotency-Key": "k"}
        path = await queued(client, headers=headers)
        await ended(client, path)
        assert await queued(client, headers=headers) == path
        others: list[dict[str, Any]] = [
            {"params": {"text": "b"}},
            {"headers": {"Accept": "text/event-stream"}},
        ]
        for other in others:
            given = {**ASYNC, **headers, **other.pop("headers", {})}
            assert (await client.post(PREDICT, headers=given, **other)).status == 422
        # A direct call has no use for it, and is not refused.
        assert (await client.post(PREDICT, headers=headers, params={"text": "b"})).status == 200


async def test_what_is_switched_off(tmp_path: Path) -> None:
    async with echo_client(tmp_path, predict=False) as client:
        assert (await client.post(PREDICT, headers=ASYNC)).status == 402
    async with echo_client(tmp_path, predict=False, train=False) as client:
        assert (await client.get(JOBS)).status == 402


async def test_they_are_taken_where_trainings_are_off(tmp_path: Path) -> None:
    async with echo_client(tmp_path, train=False) as client:
        path = await queued(client)
        assert (await ended(client, path))["state"] == "done"
        assert (await client.get(TRAIN)).status == 402
        assert (await client.get(TRAIN + path.rpartition("/")[2])).status == 402


async def test_when_too_many_are_queued_the_next_is_refused(tmp_path: Path) -> None:
    async with echo_client(tmp_path, store=Elsewhere(), max_jobs=2) as client:
        path = await queued(client)
        await queued(client)
        refused = await client.post(PREDICT, headers=ASYNC)
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert "2 predictions are queued already" in await refused.text()
        assert (await client.post(PREDICT)).status == 200  # a direct call is none of them
        await client.post(f"{path}/cancel")
        await queued(client)


async def test_messages_of_a_model_are_hidden(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with echo_service(tmp_path, store=store) as service:
        app = create_app(service, ApiSettings(hide_model_errors=True))
        async with opened(app) as client:
            headers = {"X-Request-ID": "asked-first"}
            path = await queued(client, params={"how": "raise"}, headers=headers)
            job = await ended(client, path)
            assert job["message"] == "The job failed; its log, which the service keeps, says why."
            text = await (await client.get(f"{path}/result")).text()
            assert "boom" not in text
            # Under the id of the request that began it, which the log has.
            assert "under request asked-first" in text


async def test_uploads_lie_with_the_job_and_go_with_it(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        headers = {"Accept": "application/zip"}
        path = await queued(client, headers=headers, data=upload())
        await ended(client, path)
        folder = tmp_path / "jobs" / path.rpartition("/")[2]
        assert [file.read_bytes() for file in (folder / "inputs").iterdir()] == [b"archive"]
        await until(lambda: (folder / "answer.json").exists())
        # Its end is shown before it is recorded.
        await eventually(lambda: client.delete(path), lambda answer: answer.status != 409)
        assert not folder.exists()
