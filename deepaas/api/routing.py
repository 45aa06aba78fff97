# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Routes that cannot be added without a policy."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from deepaas.api.documents.about import About
from deepaas.auth import Policy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The row of the table for each registered route.
ROWS = web.AppKey("rows", dict[web.AbstractRoute, "Route"])


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    policy: Policy
    #: What it answers, for the documents.
    about: About
    #: Whether version 2 did not have it: its errors are then ``application/problem+json``.
    is_new: bool = False
    #: Whether it is for people with a browser; it goes with the option ``doc-endpoint``.
    is_page: bool = False
    #: Another policy that lets a caller in: which of the two it takes depends on the job.
    or_policy: Policy | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Policy):
            raise TypeError(f"{self.method} {self.path} has no policy: {self.policy!r}")


def add_routes(app: web.Application, routes: Iterable[Route], base_path: str) -> None:
    """Register routes below the prefix; a request to any other route is refused.

    What answers GET answers HEAD too.

    Args:
        app: Not yet started.
        routes: The table.
        base_path: Empty or ``/x``; the root route then answers at ``/x`` too.
    """
    rows = app.setdefault(ROWS, {})
    # The router tries one after the other what begins alike; a prediction is not to wait for that.
    for route in sorted(routes, key=lambda route: route.policy is not Policy.PREDICT):
        paths = [base_path + route.path]
        if base_path and route.path == "/":
            paths.append(base_path)
        for path in paths:
            resource = app.router.add_resource(path)
            methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
            for method in methods:
                added = resource.add_route(method, route.handler, expect_handler=_put_off)
                rows[added] = route


async def _put_off(request: web.Request) -> None:
    """Let a client wait that asks whether to send its body (RFC 9110, section 10.1.1).

    It is told so where the body is read (:mod:`deepaas.api.input`), and not what is refused.
    """
