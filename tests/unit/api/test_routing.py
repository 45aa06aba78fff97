# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""No route is served without a policy."""

from typing import Any

import pytest
from aiohttp import web

from deepaas.api.documents import about
from deepaas.api.guards import Guards
from deepaas.api.keys import AUTHENTICATOR, GUARDS, METER
from deepaas.api.metering import RequestMeter
from deepaas.api.middleware import guard_requests
from deepaas.api.routing import ROWS, Route, add_routes
from deepaas.auth import NoSignIn, Policy
from deepaas.model.registry import ModelRegistry
from deepaas.service import Traffic
from tests.unit.api.client import opened


async def answer(request: web.Request) -> web.Response:
    return web.Response(text=request.path)


@pytest.mark.parametrize("policy", [None, "read", ""])
def test_a_route_without_a_policy_cannot_be_made(policy: Any) -> None:
    with pytest.raises(TypeError, match="GET /secret has no policy"):
        Route("GET", "/secret", answer, policy, about.LIVE)


async def test_a_route_that_came_in_another_way_is_refused() -> None:
    app = web.Application(middlewares=[guard_requests])
    app[AUTHENTICATOR] = NoSignIn()
    app[GUARDS] = Guards()
    add_routes(app, [Route("GET", "/known", answer, Policy.READ, about.LIVE)], "")
    rows = app[ROWS]
    app[METER] = RequestMeter(Traffic(), rows, ModelRegistry())
    app.router.add_get("/stranger", answer)
    app.router.add_post("/known", answer)
    async with opened(app) as client:
        assert (await client.get("/known")).status == 200
        for response in (await client.get("/stranger"), await client.post("/known")):
            assert response.status == 403
            assert await response.text() == "403: The caller may not do this."


@pytest.mark.parametrize(
    ("base_path", "paths"), [("", ["/", "/a/"]), ("/x", ["/x/", "/x", "/x/a/"])]
)
def test_routes_stand_below_the_base_path(base_path: str, paths: list[str]) -> None:
    app = web.Application()
    routes = [Route("GET", path, answer, Policy.READ, about.LIVE) for path in ("/", "/a/")]
    add_routes(app, routes, base_path)
    assert [resource.canonical for resource in app.router.resources()] == paths
    registered: set[web.AbstractRoute] = set(app.router.routes())
    assert app[ROWS].keys() == registered


def test_tables_add_up() -> None:
    app = web.Application()
    add_routes(app, [Route("GET", "/a", answer, Policy.READ, about.LIVE)], "")
    add_routes(app, [Route("GET", "/b", answer, Policy.TRAIN, about.LIVE)], "")
    found = sorted((route.method, row.policy) for route, row in app[ROWS].items())
    assert found == [
        ("GET", Policy.READ),
        ("GET", Policy.TRAIN),
        ("HEAD", Policy.READ),
        ("HEAD", Policy.TRAIN),
    ]
