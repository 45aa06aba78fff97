# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A browser runs nothing of an answer in the name of the service, and learns no version."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from deepaas.api.guards.headers import AnswerHeaders
from deepaas.api.guards.origins import Cors

REQUEST = make_mocked_request("GET", "/", {"Origin": "https://portal.example"})


async def added(content_type: str | None, cors: Cors | None = None, **given: str) -> dict[str, str]:
    headers = {name.replace("_", "-"): value for name, value in given.items()}
    if content_type is not None:
        headers["Content-Type"] = content_type
    response = web.StreamResponse(headers=headers)
    await AnswerHeaders(cors).add(REQUEST, response)
    return dict(response.headers)


@pytest.mark.parametrize(
    ("content_type", "runs"),
    [
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("image/svg+xml", True),
        ("application/xhtml+xml ; x=y", True),
        ("text/xml", True),
        ("application/xml", True),
        ("application/json; charset=utf-8", False),
        ("application/problem+json", False),
        ("text/plain", False),
        ("image/png", False),
        ("text/event-stream", False),
        ("", False),
        (None, False),
    ],
)
async def test_what_a_browser_would_run_is_shown_alone(
    content_type: str | None, runs: bool
) -> None:
    headers = await added(content_type)
    assert headers.get("Content-Security-Policy") == ("sandbox" if runs else None)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "DEEPaaS"
    assert headers.get("Content-Type") == content_type


async def test_a_page_of_ours_has_a_policy_of_its_own() -> None:
    headers = await added("text/html", Content_Security_Policy="default-src 'none'")
    assert headers["Content-Security-Policy"] == "default-src 'none'"


async def test_who_may_read_is_told_where_others_may() -> None:
    assert "Access-Control-Allow-Origin" not in await added(None)
    headers = await added(None, Cors(frozenset({"https://portal.example"})))
    assert headers["Access-Control-Allow-Origin"] == "https://portal.example"
