# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Routes that cannot be added without a policy."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from deepaas.auth import Policy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The policy of each registered route.
POLICIES = web.AppKey("policies", dict[web.AbstractRoute, Policy])


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    policy: Policy

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Policy):
            raise TypeError(f"{self.method} {self.path} has no policy: {self.policy!r}")


def add_routes(app: web.Application, routes: Iterable[Route], base_path: str) -> None:
    """Register routes below the prefix; a request to any other route is refused.

    Args:
        app: Not yet started.
        routes: The table.
        base_path: Empty or ``/x``; the root route then answers at ``/x`` too.
    """
    policies = app.setdefault(POLICIES, {})
    for route in routes:
        paths = [base_path + route.path]
        if base_path and route.path == "/":
            paths.append(base_path)
        for path in paths:
            registered = app.router.add_route(route.method, path, route.handler)
            policies[registered] = route.policy
