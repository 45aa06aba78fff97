# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""One table has every route, each with its policy."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from deepaas.api.app import ROUTES, create_app
from deepaas.api.keys import AUTHENTICATOR, SERVICE, SETTINGS, ApiSettings
from deepaas.api.routing import ROWS
from deepaas.auth import NoSignIn, Policy, Principal
from tests.unit.api.client import opened
from tests.unit.parts import echo_service


class Guest:
    """Lets everyone read, and do nothing else."""

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the guest."""
        return Principal("guest", frozenset({Policy.READ}))


async def test_every_route_and_method_has_the_policy_of_the_table(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        app = create_app(service, ApiSettings(base_path="/x"))
    routes = list(app.router.routes())
    policies = {route: row.policy for route, row in app[ROWS].items()}
    assert set(policies) == set(routes)
    # The router shows a path without the form that it demands of a parameter.
    wanted = {(row.method, f"/x{row.path.replace(':(?s:.+)', '')}"): row.policy for row in ROUTES}
    wanted["GET", "/x"] = Policy.READ  # the root, with and without its slash
    wanted |= {("HEAD", path): found for (method, path), found in wanted.items() if method == "GET"}
    found = {
        (route.method, route.resource.canonical): policies[route]
        for route in routes
        if route.resource is not None
    }
    assert found == wanted


def test_only_probes_and_the_page_are_public_and_only_readers_may_just_read() -> None:
    public = {route.path for route in ROUTES if route.policy is Policy.PUBLIC}
    probes = {"/v2/health/live", "/v2/health/ready", "/v2/models/{model}/ready"}
    assert public == probes | {route.path for route in ROUTES if route.is_page}
    managed = {route.path for route in ROUTES if route.policy is Policy.MANAGE}
    assert managed == {
        "/v2/debug/",  # it shows what other clients' calls printed
        "/v2/models/{model}/jobs/{job}/promote",
        "/v2/models/{model}/versions/rollback",
    }
    for route in ROUTES:
        reads = route.policy in (Policy.READ, Policy.PUBLIC)
        assert reads == (route.method == "GET") or route.policy is Policy.MANAGE, route


async def test_the_application_knows_its_parts(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service:
        app = create_app(service)
        assert app[SERVICE] is service
        assert app[SETTINGS] == ApiSettings()
        assert isinstance(app[AUTHENTICATOR], NoSignIn)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/echo/predict/", 403),
        ("POST", "/v2/models/echo/train/", 403),
        ("DELETE", "/v2/models/echo/train/0", 403),
        ("GET", "/v2/models/", 200),
        ("GET", "/v2/health/live", 200),
        ("PUT", "/v2/models/", 405),
        ("GET", "/nothing", 404),
    ],
)
async def test_a_caller_may_do_what_the_policies_say(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async with (
        echo_service(tmp_path) as service,
        opened(create_app(service, authenticator=Guest())) as client,
    ):
        response = await client.request(method, path)
        assert response.status == status
        if status == 403:
            verb = "predict" if "predict" in path else "train"
            assert await response.text() == (
                f"403: You are signed in as guest and may not {verb} here (model 'echo')."
            )


async def test_bodies_have_no_limit_of_aiohttp(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        body = b'{"text": "' + b"x" * (3 * 1024 * 1024) + b'"}'
        response = await client.post(
            "/v2/models/echo/predict/",
            data=io.BytesIO(body),
            headers={"Content-Type": "application/json"},
        )
        assert response.status == 200
