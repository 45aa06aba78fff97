# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Errors of routes that version 2 did not have are problems (RFC 9457)."""

import json

from aiohttp import web

from deepaas.api.errors import problem_of
from deepaas.errors import InvalidArguments, StorageUnavailable


def test_an_error_is_told_in_the_fields_of_a_problem() -> None:
    response = problem_of(web.HTTPNotFound())
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def test_messages_of_arguments_come_with_it() -> None:
    response = problem_of(InvalidArguments({"limit": ["Not a number."]}))
    assert isinstance(response.body, bytes)
    assert response.status == 422
    assert json.loads(response.body)["errors"] == {"limit": ["Not a number."]}


def test_what_only_the_operator_should_read_is_left_out() -> None:
    response = problem_of(StorageUnavailable("/srv/state is not there"))
    assert isinstance(response.body, bytes)
    assert response.status == 503
    assert response.headers["Retry-After"] == "1"
    assert "/srv" not in response.body.decode()
