# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Guards are there where they are switched on, and stand in the right order before the routes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from deepaas.api.app import create_app
from deepaas.api.guards import Guards, make_guards
from deepaas.auth import Authenticator, Policy, Principal
from deepaas.config.guards import GuardSettings, Rate
from deepaas.errors import InvalidCredentials
from tests.unit.parts import echo_service

MODELS = "/v2/models/"


class OneKey:
    """Lets one key in, and those without any."""

    def __init__(self) -> None:
        self.asked = 0

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        self.asked += 1
        match headers.get("X-API-Key"):
            case None:
                return Principal(None, frozenset({Policy.READ}))
            case "right":
                return Principal("key:right", frozenset(Policy))
        raise InvalidCredentials


def made(settings: GuardSettings, *, on_loopback: bool) -> tuple[bool, bool, bool, bool]:
    guards = make_guards(settings, on_loopback=on_loopback)
    parts = (guards.hosts, guards.origins, guards.callers, guards.cors)
    hosts, origins, callers, cors = (part is not None for part in parts)
    return hosts, origins, callers, cors


NAMED, ANY = frozenset({"a.example"}), frozenset({"*"})


@pytest.mark.parametrize(
    ("settings", "on_loopback", "expected"),
    [
        (GuardSettings(), True, (True, True, False, False)),
        (GuardSettings(), False, (False, True, False, False)),
        (GuardSettings(allowed_hosts=NAMED), False, (True, True, False, False)),
        (GuardSettings(allowed_hosts=ANY), True, (False, True, False, False)),
        (GuardSettings(allowed_origins=ANY), True, (True, False, False, True)),
        (GuardSettings(allowed_origins=NAMED), True, (True, True, False, True)),
        (GuardSettings(rate=Rate(1, 1.0)), True, (True, True, True, False)),
        (GuardSettings(max_concurrent=1), True, (True, True, True, False)),
    ],
)
def test_what_is_switched_on(
    settings: GuardSettings, on_loopback: bool, expected: tuple[bool, bool, bool, bool]
) -> None:
    assert made(settings, on_loopback=on_loopback) == expected


async def statuses(
    tmp_path: Path,
    guards: Guards,
    authenticator: Authenticator,
    *requests: tuple[str, Mapping[str, str]],
) -> list[int]:
    """Return how GET requests are answered, each a path and its headers."""
    async with echo_service(tmp_path) as service:
        app = create_app(service, None, authenticator, guards)
        async with TestClient(TestServer(app)) as client:
            return [
                (await client.get(path, headers=headers, allow_redirects=False)).status
                for path, headers in requests
            ]


RIGHT, WRONG = {"X-API-Key": "right"}, {"X-API-Key": "wrong"}


async def test_who_guesses_keys_is_stopped_before_they_are_looked_at(tmp_path: Path) -> None:
    authenticator = OneKey()
    guards = make_guards(GuardSettings(rate=Rate(3, 3600.0)), on_loopback=True)
    guesses = [(MODELS, WRONG)] * 5
    found = await statuses(tmp_path, guards, authenticator, *guesses, (MODELS, RIGHT))
    assert found == [401, 401, 401, 429, 429, 429]
    assert authenticator.asked == 3


async def test_guessing_works_for_ever_without_the_guard(tmp_path: Path) -> None:
    guesses = [(MODELS, WRONG)] * 50
    found = await statuses(tmp_path, Guards(), OneKey(), *guesses, (MODELS, RIGHT))
    assert found == [401] * 50 + [200]


async def test_callers_have_budgets_of_their_own(tmp_path: Path) -> None:
    guards = make_guards(GuardSettings(rate=Rate(2, 3600.0)), on_loopback=True)
    found = await statuses(
        tmp_path,
        guards,
        OneKey(),
        *[(MODELS, RIGHT)] * 3,
        *[(MODELS, {})] * 3,
        ("/v2/health/live", {}),
        ("/nothing", {}),
    )
    # What leads nowhere costs as much as what does: it is looked up all the same.
    assert found == [200, 200, 429, 200, 200, 429, 200, 429]


async def test_who_is_refused_has_asked_all_the_same(tmp_path: Path) -> None:
    guards = make_guards(GuardSettings(rate=Rate(2, 3600.0)), on_loopback=True)
    debug: list[tuple[str, Mapping[str, str]]] = [("/v2/debug/", {})]
    assert await statuses(tmp_path, guards, OneKey(), *debug * 3) == [401, 401, 429]


async def test_what_is_wrongly_addressed_is_refused_before_anybody_signs_in(
    tmp_path: Path,
) -> None:
    authenticator = OneKey()
    guards = make_guards(GuardSettings(), on_loopback=True)
    found = await statuses(
        tmp_path, guards, authenticator, (MODELS, {"Host": "evil.example", **RIGHT})
    )
    assert (found, authenticator.asked) == ([403], 0)
