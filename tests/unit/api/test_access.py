# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every route and method, asked by everybody who could: none lets in who does not belong.

The table of routes is walked, so a new route is tried too.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deepaas.api.app import ROUTES, create_app
from deepaas.api.routing import Route
from deepaas.auth import Policy
from deepaas.auth.access import AccessRules
from deepaas.auth.keyring import KeyRing
from deepaas.auth.keys import make_key
from deepaas.auth.signin import SignIn
from deepaas.telemetry import principal
from tests.unit.api.client import Client, opened
from tests.unit.parts import echo_service

#: Who calls, by the name of the key: its roles.
ROLES: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "reader": ("read",),
    "predictor": ("predict",),
    "trainer": ("train",),
    "manager": ("manage",),
    "late": ("manage",),  # but its time has passed
    "elsewhere": (),  # may do everything, with another model only
    "here": (),  # may do everything, with this model only
}
KEYS = {
    name: make_key(name, roles, datetime(2020, 1, 1, tzinfo=UTC) if name == "late" else None)
    for name, roles in ROLES.items()
}
ALLOWED = ("read", "predict", "train", "manage")


def _rule(right: str) -> str:
    """Say again for the model what holds for all, since the rule for it replaces that."""
    roles = ALLOWED[ALLOWED.index(right) :]
    return ",".join(["other=key:elsewhere", "echo=key:here", *(f"echo=role:{x}" for x in roles)])


RULES = AccessRules.parse({Policy(right): _rule(right) for right in ALLOWED})
#: What the holder of a key may do with the model, by hand: not what the code says of it.
MAY = {
    "none": "",
    "reader": "read",
    "predictor": "read predict",
    "trainer": "read predict train",
    "manager": "read predict train manage",
    "elsewhere": "",
    "here": "read predict train manage",
}
#: May do nothing with models that no rule names, nor with all of them together.
OF_ONE_MODEL = ("elsewhere", "here")
PLACES = {
    "model": "echo",
    "job": "0" * 32,
    "uuid": "0" * 32,
    "path": "x",
    "file": "page.js",
}


def path_of(route: Route) -> str:
    return re.sub(r"\{(\w+)(?::[^}]*\)[^}]*)?\}", lambda found: PLACES[found[1]], route.path)


def requests() -> list[tuple[Route, str]]:
    """Return every route with every method that it answers."""
    found = [(route, route.method) for route in ROUTES]
    return found + [(route, "HEAD") for route in ROUTES if route.method == "GET"]


def header(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


def door(rules: AccessRules = RULES) -> SignIn:
    text = ";".join(record.line for _, record in KEYS.values())
    return SignIn(rules, KeyRing([], text, principal_of=rules.principal_of))


@asynccontextmanager
async def serving(tmp_path: Path, rules: AccessRules = RULES) -> AsyncIterator[Client]:
    """Serve the echo model to those who sign in; trainings are off, so that none is started."""
    async with (
        echo_service(tmp_path, train=False) as service,
        opened(create_app(service, authenticator=door(rules))) as client,
    ):
        yield client


async def ask(client: Client, route: Route, method: str, **options: Any) -> tuple[int, str, str]:
    async with client.request(method, path_of(route), allow_redirects=False, **options) as response:
        challenge = response.headers.get("WWW-Authenticate", "")
        return response.status, challenge, await response.text()


def is_let_in(route: Route, name: str) -> bool:
    if route.policy is Policy.PUBLIC:
        return True
    if name in OF_ONE_MODEL and "{model}" not in route.path:
        return route.policy is Policy.READ  # and is shown the models that may be seen
    policies = {str(route.policy), str(route.or_policy or "")}
    return bool(policies & set(MAY[name].split()))


async def test_nobody_who_does_not_belong_is_let_in_by_any_route(tmp_path: Path) -> None:
    """401 for who has not signed in, 403 with the reason for who may not, else neither."""
    async with serving(tmp_path) as client:
        for route, method in requests():
            where = f"{method} {route.path}"
            status, challenge, _ = await ask(client, route, method)
            assert (status == 401) == (route.policy is not Policy.PUBLIC), where
            assert challenge == ("" if status != 401 else 'Bearer realm="deepaas"'), where
            for name in MAY:
                status, challenge, text = await ask(client, route, method, headers=header(name))
                expected = is_let_in(route, name)
                assert (status not in (401, 403)) == expected, f"{where} by {name}: {status}"
                if not expected:
                    assert status == 403, where
                    assert method == "HEAD" or f"key:{name} and may not" in text, where
                assert challenge == "", where


async def test_an_invalid_credential_is_refused_by_every_route_that_looks(tmp_path: Path) -> None:
    """Also where anonymous callers may do everything: it is never taken for none."""
    everybody = AccessRules.parse(dict.fromkeys(map(Policy, ALLOWED), "anonymous"))
    wrong = [
        header("late"),
        {"Authorization": f"Bearer {make_key('x')[0]}"},
        {"X-API-Key": "guess"},
        {"Authorization": "Basic YTpi"},
        [("X-API-Key", KEYS["manager"][0])] * 2,
        [("X-API-Key", KEYS["manager"][0]), ("Authorization", f"Bearer {KEYS['here'][0]}")],
    ]
    async with serving(tmp_path, everybody) as client:
        for route, method in requests():
            if route.policy is Policy.PUBLIC:
                continue
            where = f"{method} {route.path}"
            assert (await ask(client, route, method))[0] not in (401, 403), where
            for headers in wrong:
                status, challenge, text = await ask(client, route, method, headers=headers)
                assert status == 401, where
                assert challenge == 'Bearer realm="deepaas", error="invalid_token"', where
                assert "dpk_" not in text


@pytest.mark.parametrize("path", ["/v2/models/", "/openapi.json", "/swagger.json"])
async def test_models_that_may_not_be_read_are_not_shown(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as client:
        for name, shows in (("here", True), ("elsewhere", False), ("here", True)):
            async with client.get(path, headers=header(name)) as response:
                assert response.status == 200
                assert ("echo" in await response.text()) == shows


async def test_the_page_comes_to_everybody_and_the_document_to_who_signs_in(tmp_path: Path) -> None:
    """The page shows nothing of the service, and asks for a key; with it the document comes."""
    async with serving(tmp_path) as client:
        async with client.get("/api") as response:
            page = await response.text()
        assert 'id="sign-in"' in page
        assert "echo" not in page
        async with client.get("/static/swagger/page.js") as response:
            script = await response.text()
        assert "Authorization: `Bearer ${key}`" in script
        assert "requestInterceptor" in script
        assert (await client.get("/openapi.json")).status == 401
        async with client.get("/openapi.json", headers=header("reader")) as response:
            document = await response.json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    assert document["paths"]["/v2/models/"]["get"]["security"] == [{"bearer": []}, {"key": []}]
    assert "security" not in document["paths"]["/v2/health/live"]["get"]


async def test_models_and_logs_know_who_calls(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        url = "/v2/models/echo/predict/?how=principal"
        async with client.post(url, headers=header("predictor")) as response:
            assert (await response.json())["predictions"] == "key:predictor"
    assert principal.get() is None
