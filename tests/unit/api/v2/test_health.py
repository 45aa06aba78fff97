# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Probes are answered, and told what is missing."""

from pathlib import Path

from deepaas.api.app import create_app
from deepaas.auth.access import AccessRules
from deepaas.auth.signin import SignIn
from tests.unit.api.client import echo_client, opened
from tests.unit.parts import echo_service


async def test_a_model_that_could_not_be_loaded(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        service.models.fail("dog", "no such file")
        response = await client.get("/v2/health/ready")
        assert response.status == 503
        shown = await response.json()
        assert shown["status"] == "not ready"
        assert shown["models"][1] == {
            "name": "dog",
            "workers": 0,
            "reason": "no such file",
            "version": 0,
            "version_problem": None,
        }
        assert (await client.get("/v2/health/live")).status == 200


async def test_where_callers_sign_in_reasons_are_for_the_log(tmp_path: Path) -> None:
    """A probe is answered whoever asks; what an exception says is not for everybody."""
    door = SignIn(AccessRules())
    async with (
        echo_service(tmp_path) as service,
        opened(create_app(service, authenticator=door)) as client,
    ):
        service.models.fail("dog", "no such file: /srv/secret")
        for path in ("/v2/health/ready", "/v2/models/dog/ready"):
            response = await client.get(path)
            assert response.status == 503
            text = await response.text()
            assert '"dog"' in text
            assert "secret" not in text
        assert (await (await client.get("/v2/models/echo/ready")).json())["reason"] is None


async def test_everything_is_there(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.get("/v2/health/ready")
        assert response.status == 200
        assert await response.json() == {
            "status": "ready",
            "models": [
                {
                    "name": "echo",
                    "workers": 1,
                    "reason": None,
                    "version": 0,
                    "version_problem": None,
                }
            ],
            "trainings": None,
        }
        assert await (await client.get("/v2/health/live")).json() == {"status": "live"}
