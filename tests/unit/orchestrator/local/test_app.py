# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The REST interface answers in the contract's words and shapes."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import InvalidDocument, StorageUnavailable
from deepaas.orchestrator.local import app
from deepaas.orchestrator.local.store import DeploymentStore
from tests.unit.orchestrator.paas import TEMPLATE, UPDATABLE, Paas, paas

NOWHERE = "/deployments/nowhere"


def error(code: int, title: str, message: str) -> dict[str, Any]:
    return {"code": code, "title": title, "message": message}


async def test_the_name_and_the_build_are_open_to_all(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        unsigned = {"Authorization": ""}
        assert await one.ask("GET", "/", headers=unsigned) == (200, "DEEPaaS local orchestrator")
        status, info = await one.ask("GET", "/info", headers=unsigned)
        assert (status, set(info)) == (
            200,
            {"projectVersion", "serverHostname", "projectRevision", "projectTimestamp"},
        )
        status, refused = await one.ask("GET", "/configuration", headers=unsigned)
        assert (status, refused["error"]) == (401, "unauthorized")
        status, configuration = await one.ask("GET", "/configuration/")
        assert status == 200
        assert "im_url" in configuration


@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer right", 200), ("bearerright", 200), ("Bearer wrong", 401), ("Basic right", 401)],
)
async def test_a_token_that_is_named_is_the_only_one(
    tmp_path: Path, header: str, status: int
) -> None:
    async with paas(tmp_path, token="right") as one:
        given, body = await one.ask("GET", "/deployments", headers={"Authorization": header})
        assert given == status
        assert ("error" in body) == (status == 401)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_pages_of_the_web_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    async with paas(tmp_path) as one:
        status, body = await one.ask("GET", "/deployments", headers=headers)
        assert (status, body["title"]) == (403, "Forbidden")


async def test_what_is_not_there_is_said_in_the_contracts_words(tmp_path: Path) -> None:
    missing = (404, error(404, "Not Found", "The deployment <nowhere> doesn't exist"))
    async with paas(tmp_path) as one:
        for part in ("", "/template", "/log", "/extrainfo", "/resources", "/resources/x"):
            assert await one.ask("GET", NOWHERE + part) == missing
        assert await one.ask("DELETE", NOWHERE) == missing
        assert await one.ask("PUT", NOWHERE, {"template": TEMPLATE}) == missing
        assert await one.ask("PATCH", NOWHERE, {"status": "DELETE_FAILED"}) == missing
        status, body = await one.ask("GET", "/nothing")
        assert (status, body["code"]) == (404, 404)
        status, body = await one.ask("DELETE", "/deployments")
        assert (status, body["code"], body["title"]) == (405, 405, "Method Not Allowed")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "The member 'template' is required: a TOSCA template as text."),
        ([], "The request body must be a JSON object."),
        ({"template": TEMPLATE, "parameters": 1}, "The member 'parameters' must be an object."),
        ({"template": TEMPLATE, "callback": "ftp://x"}, "it must be an http address."),
        ({"template": TEMPLATE, "callback": 1}, "The member 'callback' must be a text."),
        ({"template": TEMPLATE, "timeoutMins": 0}, "it must be a number from 1."),
        (
            {"template": TEMPLATE, "timeoutMins": 1, "providerTimeoutMins": 2},
            "ProviderTimeout must be <= Timeout",
        ),
        ({"template": TEMPLATE, "parameters": {"cpus": "many"}}, "Input <cpus> is 'many'"),
        (
            {"template": TEMPLATE.replace(", default: serve", "")},
            "Input <command> is required and is not present in the user's input list, nor has a"
            " default value",
        ),
        ({"template": "- 1"}, "Error parsing TOSCA template"),
        ({"template": "a: [" * 2000}, "Error parsing TOSCA template"),
        (
            {"template": "a: &a [1, 1]\n" + "".join(f"{c}: &{c} [*a, *a]\n" for c in "bcdefgh")},
            "Error parsing TOSCA template",
        ),
        ({"template": "a: &a [*a]"}, "Error parsing TOSCA template"),
        ({"template": "\ud800"}, "Error parsing TOSCA template"),
        ({"template": TEMPLATE.replace("Docker.Marathon", "Nothing")}, "Error parsing TOSCA"),
        (
            {"template": TEMPLATE.replace("get_input: command", "get_input: x")},
            "Error parsing TOSCA",
        ),
    ],
)
async def test_what_is_wrong_is_a_400(tmp_path: Path, body: Any, message: str) -> None:
    async with paas(tmp_path) as one:
        status, answer = await one.ask("POST", "/deployments", body)
        assert (status, answer["code"], answer["title"]) == (400, 400, "Bad Request")
        assert message in answer["message"]
        _, listed = await one.ask("GET", "/deployments")
        assert listed["content"] == []


async def test_what_is_huge_is_a_400(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"template": "x" * 10_000_000}
    async with paas(tmp_path) as one:
        status, answer = await one.ask("POST", "/deployments", body)
        assert (status, answer["message"][:20]) == (400, "Error parsing TOSCA ")
    monkeypatch.setattr(app, "_MOST_BYTES", 1000)
    async with paas(tmp_path) as one:
        status, answer = await one.ask("POST", "/deployments", {"template": "x" * 2000})
        assert (status, answer["message"]) == (400, "The request body has more than 1000 bytes.")


async def test_a_body_that_is_no_json_is_refused(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        assert (await one.ask("POST", "/deployments", json.dumps({})))[0] == 415
        as_json = {"Content-Type": "application/json"}
        for text in ("{", "[" * 100_000):
            status, body = await one.ask("POST", "/deployments", text, as_json)
            assert (status, body["title"]) == (400, "Bad Request")


async def listed(one: Paas, query: str = "") -> Any:
    status, page = await one.ask("GET", f"/deployments{query}")
    assert status == 200
    return page


async def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        made = [await one.create("nothing", userGroup=group) for group in ("a", "b", "a")]
        page = await listed(one, "?size=2&sort=createdAt,asc&createdBy=me")
        assert [each["uuid"] for each in page["content"]] == made[:2]
        assert page["page"] == {"size": 2, "totalElements": 3, "totalPages": 2, "number": 0}
        links = {link["rel"]: link["href"] for link in page["links"]}
        assert set(links) == {"self", "first", "next", "last"}
        rest = await listed(one, links["next"].removeprefix(f"{one.url}/deployments"))
        assert [each["uuid"] for each in rest["content"]] == made[2:]
        assert {link["rel"] for link in rest["links"]} == {"self", "first", "prev", "last"}
        newest = await listed(one, "?page=x&size=0")
        assert [each["uuid"] for each in newest["content"]] == made[::-1]
        assert [link["rel"] for link in newest["links"]] == ["self"]
        assert [each["uuid"] for each in (await listed(one, "?userGroup=b"))["content"]] == [
            made[1]
        ]
        everything = await listed(one, "?createdBy=local@http://localhost/")
        assert everything["page"]["totalElements"] == 3


@pytest.mark.parametrize(
    ("who", "status", "message"),
    [
        ("x", 400, "Value x for param createdBy is illegal"),
        ("x@y", 403, "Only admin can retrieve deployments for x@y"),
    ],
)
async def test_those_of_others_are_not_listed(
    tmp_path: Path, who: str, status: int, message: str
) -> None:
    async with paas(tmp_path) as one:
        given, body = await one.ask("GET", f"/deployments?createdBy={who}")
        assert (given, body["message"]) == (status, message)


async def test_a_deployment_and_its_parts_are_shown(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        uuid = await one.create()
        own = f"/deployments/{uuid}"
        up = await one.wait(uuid, "CREATE_COMPLETE")
        assert (up["task"], up["statusReason"]) == ("NONE", None)
        assert up["outputs"]["url"] == up["outputs"]["deepaas_endpoint"]
        links = {link["rel"]: link["href"] for link in up["links"]}
        assert links == {
            "self": one.url + own,
            "resources": f"{one.url}{own}/resources",
            "template": f"{one.url}{own}/template",
        }
        assert await one.ask("GET", f"{own}/template/") == (200, TEMPLATE)
        assert await one.ask("GET", f"{own}/log") == (200, "app: a note\nlistening\n")
        assert await one.ask("GET", f"{own}/extrainfo") == (200, '{"vmProperties": []}')
        _, resources = await one.ask("GET", f"{own}/resources")
        docker, app = resources["content"]
        assert docker["requiredBy"] == [app["uuid"]]
        assert (docker["state"], docker["physicalId"]) == ("STARTED", None)
        assert app["physicalId"].isdigit()
        assert await one.ask("GET", f"{own}/resources/{app['uuid']}") == (200, app)
        filtered = f"{own}/resources/filter"
        assert await one.ask("GET", f"{filtered}?type={app['toscaNodeType']}") == (200, [app])
        assert (await one.ask("GET", filtered))[0] == 400
        assert (await one.ask("GET", f"{own}/resources/none"))[0] == 404
        action = f"{own}/resources/{app['uuid']}/actions"
        assert (await one.ask("POST", action, {"type": "stop"}))[0] == 400


async def test_marathon_is_not_updated_and_a_machine_is(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        fixed = await one.create("nothing")
        refused = error(400, "Bad Request", "MARATHON deployments cannot be updated.")
        body = {"template": UPDATABLE}
        assert await one.ask("PUT", f"/deployments/{fixed}", body) == (400, refused)
        failed = await one.create("nothing", UPDATABLE)
        await one.wait(failed, "CREATE_FAILED")
        refused = error(409, "Conflict", "Cannot update a deployment in CREATE_FAILED state")
        assert await one.ask("PUT", f"/deployments/{failed}", body) == (409, refused)
        up = await one.create("serve", UPDATABLE)
        await one.wait(up, "CREATE_COMPLETE")
        assert (await one.ask("PUT", f"/deployments/{up}", {"template": "- 1"}))[0] == 400
        ending = {"template": UPDATABLE, "parameters": {"command": "end"}}
        assert await one.ask("PUT", f"/deployments/{up}", ending) == (202, "")
        failed_update = await one.wait(up, "UPDATE_FAILED")
        assert failed_update["statusReason"] == "'app' ended with status 3: no luck"
        assert await one.ask("PUT", f"/deployments/{up}", {"template": UPDATABLE}) == (202, "")
        await one.wait(up, "UPDATE_COMPLETE")


async def test_what_is_deleted_stays_in_the_list(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        uuid = await one.create()
        own = f"/deployments/{uuid}"
        assert await one.ask("DELETE", own) == (204, "")
        await one.wait(uuid, "DELETE_COMPLETE")
        refused = error(409, "Conflict", "Deployment already in DELETE_COMPLETE state.")
        assert await one.ask("DELETE", own) == (409, refused)
        refused = error(409, "Conflict", "Cannot reset a deployment in DELETE_COMPLETE state")
        assert await one.ask("PATCH", own, {"status": "DELETE_FAILED"}) == (409, refused)
        refused = error(400, "Bad Request", "Cannot reset deployment: illegal status None.")
        assert await one.ask("PATCH", own, []) == (400, refused)


async def test_a_deletion_that_hangs_is_given_up_and_begun_again(tmp_path: Path) -> None:
    async with paas(tmp_path, grace_s=600) as one:
        uuid = await one.create("deaf")
        own = f"/deployments/{uuid}"
        await one.wait(uuid, "CREATE_COMPLETE")
        _, resources = await one.ask("GET", f"{own}/resources")
        pid = int(resources["content"][1]["physicalId"])
        await one.ask("DELETE", own)
        assert (await one.ask("GET", own))[1]["task"] == "DEPLOYER"
        assert await one.ask("PATCH", own, {"status": "DELETE_FAILED"}) == (204, "")
        assert (await one.ask("GET", own))[1]["status"] == "DELETE_FAILED"
        os.kill(pid, signal.SIGKILL)
        assert await one.ask("DELETE", own) == (204, "")
        await one.wait(uuid, "DELETE_COMPLETE")


async def test_two_changes_at_once_are_told_to_come_again(tmp_path: Path) -> None:
    async with paas(tmp_path) as one:
        uuid = await one.create("serve", UPDATABLE)
        await one.wait(uuid, "CREATE_COMPLETE")
        # While the template of one is checked, the other comes.
        body = {"template": UPDATABLE}
        changes = [one.ask("PUT", f"/deployments/{uuid}", body) for _ in range(2)]
        (_, accepted), (status, refused) = sorted(
            await asyncio.gather(*changes), key=lambda answer: answer[0]
        )
        assert (status, accepted) == (409, "")
        assert refused["message"].startswith("The request couldn't be fulfilled because of a conc")
        assert one.retry_after == "0"
        await one.wait(uuid, "UPDATE_COMPLETE")


async def test_a_store_that_fails_is_a_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*given: object, **named: object) -> None:
        raise StorageUnavailable("The disk is gone.")

    async with paas(tmp_path) as one:
        with monkeypatch.context() as patch:
            patch.setattr(DeploymentStore, "all", fail)
            refused = error(500, "Internal Server Error", "The disk is gone.")
            assert await one.ask("GET", "/deployments") == (500, refused)


async def test_a_template_that_is_not_understood_any_more_has_no_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise InvalidDocument("It was written for an older version.")

    async with paas(tmp_path) as one:
        uuid = await one.create("nothing")
        await one.wait(uuid, "CREATE_FAILED")
        with monkeypatch.context() as patch:
            patch.setattr(app, "Template", refuse)
            _, resources = await one.ask("GET", f"/deployments/{uuid}/resources")
            assert resources["content"] == []
