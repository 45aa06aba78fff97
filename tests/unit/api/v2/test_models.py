# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model is shown as it describes itself."""

from pathlib import Path

import pytest

from deepaas.api.app import create_app
from deepaas.records import ModelDescription
from tests.unit.api.client import echo_client, opened
from tests.unit.parts import echo_service


async def test_a_model_that_is_not_served(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        for name in ("dog", "echo%2F", "Echo"):
            response = await client.get(f"/v2/models/{name}/")
            assert response.status == 404
            assert await response.text() == "404: Not Found"


@pytest.mark.parametrize("base_path", ["", "/x"])
async def test_a_model(tmp_path: Path, base_path: str) -> None:
    async with echo_client(tmp_path, base_path=base_path) as client:
        response = await client.get(f"{base_path}/v2/models/echo/")
        shown = await response.json()
        assert shown == {
            "id": "echo",
            "name": "echo",
            "links": [{"rel": "self", "href": f"{base_path}/v2/models/echo"}],
            "description": "Answers what it was given.",
            "author": "somebody",
        }
        response = await client.get(f"{base_path}/v2/models/")
        assert await response.json() == {"models": [shown]}


async def test_a_model_may_say_everything_itself(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        own = {"id": "0", "name": "Dog", "links": [], "more": {"a": 1}}
        service.models.put(ModelDescription("dog", own))
        assert await (await client.get("/v2/models/dog/")).json() == own
        shown = (await (await client.get("/v2/models/")).json())["models"]
        assert [model["name"] for model in shown] == ["echo", "Dog"]


async def test_the_metadata_of_a_package(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        document = {"title": "Dog", "document": {}}
        service.models.put(ModelDescription("dog", {}, document=document))
        response = await client.get("/v2/models/dog/metadata")
        assert (response.status, await response.json()) == (200, document)
        tag = response.headers["ETag"]
        for known in (tag, "*", f'"other", {tag}'):
            again = await client.get("/v2/models/dog/metadata", headers={"If-None-Match": known})
            assert (again.status, await again.read()) == (304, b"")
            assert again.headers["ETag"] == tag
        other = await client.get("/v2/models/dog/metadata", headers={"If-None-Match": '"other"'})
        assert other.status == 200


@pytest.mark.parametrize("problem", [None, "The model's metadata file cannot be used."])
async def test_a_package_without_metadata(tmp_path: Path, problem: str | None) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        service.models.put(ModelDescription("dog", {}, document_problem=problem))
        response = await client.get("/v2/models/dog/metadata")
        assert response.content_type == "application/problem+json"
        shown = await response.json()
        assert shown["detail"] == (problem or "The model's package has no metadata file.")
        assert response.status == shown["status"] == 404
