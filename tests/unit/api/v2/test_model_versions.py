# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The versions of a model over HTTP: what they show, and what their errors are."""

from pathlib import Path
from typing import Any

import pytest

from deepaas.api.app import create_app
from deepaas.api.keys import ApiSettings
from deepaas.records import JobEnd, JobState
from deepaas.testing import NOON, InMemoryJobStore, make_job
from tests.unit.api.client import PREDICT, Client, opened
from tests.unit.parts import ROOT, echo_service, eventually

VERSIONS = "/x/v2/models/echo/versions/"
AS_JSON = {"Content-Type": "application/json"}
#: Each is meant to name a version, and names none.
MISTAKES: list[dict[str, Any]] = [
    {"params": {"number": "1"}},
    {"json": {"number": 1}},
    {"json": 1},
    {"json": []},
    {"json": {"version": 1.9}},
    {"json": {"version": 1.0}},
    {"json": {"version": True}},
    {"json": {"version": {"number": 1}}},
    {"data": {"number": "1"}},
    {"data": '{"version": 1}', "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"data": '{"version": 1}', "headers": {"Content-Type": "text/plain"}},
]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process of the model's own find it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


async def states(client: Client) -> list[str]:
    found = await (await client.get(VERSIONS)).json()
    return [each["state"] for each in found["versions"]]


async def test_a_version_is_promoted_shown_and_taken_back(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    job = make_job(model="echo")
    await store.add(job)
    await store.finish(job.id, JobEnd(JobState.DONE, NOON))
    async with echo_service(tmp_path, store=store) as service:
        folder = tmp_path / "jobs" / job.id / "artifacts"
        folder.mkdir(parents=True)
        promote = f"/x/v2/models/echo/jobs/{job.id}/promote"
        app = create_app(service, ApiSettings("/x", hide_model_errors=True))
        async with opened(app) as client:
            refused = await client.post(promote)
            assert refused.status == 409
            assert refused.content_type == "application/problem+json"
            (folder / "model").write_bytes(b"weights")
            promoted = await client.post(promote, headers={"Prefer": "return=minimal"})
            assert promoted.status == 200
            shown = await promoted.json()
            assert (shown["version"], shown["state"], shown["served"]) == (1, "served", True)
            assert shown["links"] == [{"rel": "job", "href": f"/x/v2/models/echo/jobs/{job.id}"}]
            answer = await client.post(f"/x{PREDICT}")
            assert answer.headers["X-Model-Version"] == "1"
            begun = await client.post(
                f"{VERSIONS}rollback", json={"version": 0}, headers={"Prefer": "respond-async"}
            )
            assert begun.status == 202
            assert begun.headers["Location"] == VERSIONS
            listed = await eventually(
                lambda: states(client), lambda found: "candidate" not in found
            )
            assert listed == ["previous", "served"]
            (folder / "model").unlink()
            (folder / "other").write_bytes(b"weights")
            failed = await client.post(promote)
            assert failed.status == 422
            assert "the log of the service says why" in (await failed.json())["detail"]
            found = await (await client.get(VERSIONS)).json()
            assert "the log of the service says why" in found["versions"][0]["reason"]
            unknown = await client.post(f"{VERSIONS}rollback?version=9")
            assert unknown.status == 404
            served = await states(client)
            for mistake in MISTAKES:
                overlooked = await client.post(f"{VERSIONS}rollback", **mistake)
                assert overlooked.status == 422, mistake
                assert overlooked.content_type == "application/problem+json"
            malformed = await client.post(f"{VERSIONS}rollback", data=b"{", headers=AS_JSON)
            assert malformed.status == 400
            assert await states(client) == served
            same = await client.post(f"{VERSIONS}rollback?version=0", data=b"", headers=AS_JSON)
            assert (await same.json())["version"] == 0
            wrong = await client.post(f"{VERSIONS}rollback?version=last")
            assert wrong.status == 422
            assert list((await wrong.json())["errors"]) == ["version"]
