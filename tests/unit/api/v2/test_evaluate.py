# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An evaluation is a job, and what it found out stands in the list of versions."""

from pathlib import Path
from typing import Any

import pytest

from deepaas.api.app import create_app
from deepaas.records import ModelDescription
from tests.unit.api.client import Client, echo_client, opened
from tests.unit.parts import ROOT, echo_service, eventually

MODEL = "/v2/models/echo"
EVALUATE = f"{MODEL}/evaluate/"
VERSION = "X-Model-Version"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the evaluation's own process find the model."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


async def ended(client: Client, path: str) -> Any:
    """Wait for a job's recorded end, and return it as it is shown."""

    async def get(path: str) -> Any:
        return await (await client.get(path)).json()

    found = await eventually(lambda: get(path), lambda job: job["finished"])
    jobs = path.rpartition("/")[0]
    await eventually(lambda: get(f"{jobs}/?state=running"), lambda shown: not shown["jobs"])
    return found


async def test_an_evaluation_reads_as_the_interface_says(tmp_path: Path) -> None:
    async with echo_client(tmp_path, base_path="/x") as client:
        response = await client.post(
            f"/x{EVALUATE}?token=secret", headers={VERSION: "0", "Idempotency-Key": "k"}
        )
        assert response.status == 202
        accepted = await response.json()
        path = response.headers["Location"]
        assert path == f"/x{MODEL}/jobs/{accepted['id']}"
        assert (accepted["kind"], accepted["version"]) == ("evaluate", 0)
        assert accepted["arguments"] == {"token": "***"}
        found = await ended(client, path)
        assert list(found) == list(accepted)
        assert found["state"] == "done"
        progress = found["progress"]
        assert (progress["done"], progress["total"]) == (1, 2)
        assert progress["metrics"] == {"loss": 0.5, "accuracy": 0.75, "bytes": 0}
        series = await (await client.get(f"{path}/metrics")).json()
        assert series["metrics"]["accuracy"][-1]["value"] == 0.75
        result = await (await client.get(f"{path}/result")).json()
        assert result["text"] == "fine"
        record = (await (await client.get(f"{path}/artifacts/")).json())["record"]
        assert record["metrics"] == progress["metrics"]
        (version,) = (await (await client.get(f"/x{MODEL}/versions/")).json())["versions"]
        evaluation = version["evaluation"]
        assert evaluation.pop("finished").endswith("+00:00")
        assert evaluation == {"job": found["id"], "metrics": progress["metrics"]}
        assert version["links"] == [{"rel": "evaluation", "href": path}]
        again = await client.post(
            f"/x{EVALUATE}?token=secret", headers={VERSION: "0", "Idempotency-Key": "k"}
        )
        assert (again.status, (await again.json())["id"]) == (202, found["id"])
        assert await (await client.get(f"/x{MODEL}/train/")).json() == []


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ([(VERSION, "9")], 404, "has no version 9"),
        ([(VERSION, "last")], 422, VERSION),
        ([(VERSION, "-1")], 422, VERSION),
        ([(VERSION, "0"), (VERSION, "0")], 422, "must occur once"),
        ([("Idempotency-Key", "")], 422, "Idempotency-Key"),
    ],
)
async def test_what_is_wrong_with_a_header_is_a_problem(
    tmp_path: Path, headers: list[tuple[str, str]], status: int, words: str
) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(EVALUATE, headers=headers)
        assert response.status == status
        assert response.content_type == "application/problem+json"
        assert words in await response.text()


async def test_a_model_without_it_says_so(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        service.models.put(ModelDescription("echo", {}))
        async with opened(create_app(service)) as client:
            response = await client.post(EVALUATE)
            assert response.status == 501
            assert "Not implemented by underlying model" in await response.text()


async def test_it_goes_with_the_trainings(tmp_path: Path) -> None:
    async with echo_client(tmp_path, train=False) as client:
        assert (await client.post(EVALUATE)).status == 402


async def test_a_file_alone_is_the_input(tmp_path: Path) -> None:
    """As where the model predicts: the body needs no form."""
    async with echo_client(tmp_path) as client:
        response = await client.post(
            EVALUATE, data=b"pixels", headers={"Content-Type": "image/png"}
        )
        assert response.status == 202
        found = await response.json()
        assert found["arguments"] == {"data": ["data", "image/png", None]}
        await ended(client, response.headers["Location"])
