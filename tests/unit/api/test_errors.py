# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Each error has the status and the text of the contract, and names no path."""

import json
import logging
from typing import Any

import pytest

from deepaas import errors
from deepaas.api.errors import problem_of, response_of


def subclasses(cls: type[errors.DeepaasError]) -> list[type[errors.DeepaasError]]:
    """Return all classes below one of ours."""
    return [found for sub in cls.__subclasses__() for found in (sub, *subclasses(sub))]


def test_what_is_not_ours_has_no_response() -> None:
    with pytest.raises(TypeError, match="not an error of ours"):
        response_of(ValueError("x"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exc", "status", "text"),
    [
        (errors.DeepaasError(), 500, "500: Something went wrong in DEEPaaS."),
        (errors.IllegalTransition("no"), 500, "500: no"),
        (errors.EndpointDisabled(), 402, "402: Payment Required"),
        (errors.TooLarge(10), 413, "Maximum request body size 10 exceeded."),
        (errors.ModelNotFound("x"), 404, "404: Not Found"),
        (errors.JobNotFound("x"), 404, "404: Not Found"),
        (errors.Unauthenticated(), 401, "401: Sign in first."),
        (errors.Forbidden(), 403, "403: The caller may not do this."),
        (
            errors.NotImplementedByModel("X"),
            501,
            "501: Not implemented by underlying model (loaded 'X')",
        ),
        (
            errors.InvalidAnswer(detail="/secret"),
            500,
            "500: ERROR validating model response, check server logs.",
        ),
        (errors.InvalidInput("not a cat"), 400, "400: not a cat"),
        (errors.BodyTooSlow(), 408, "408: The body of the request did not come in time."),
        (errors.CallFailed("ValueError", "boom"), 500, "500: ValueError: boom"),
        (errors.CallFailed("ValueError", "", traceback="/secret"), 500, "500: ValueError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_text(exc: errors.DeepaasError, status: int, text: str) -> None:
    response = response_of(exc)
    assert response.status == status
    assert response.content_type == "text/plain"
    assert response.text == text


@pytest.mark.parametrize(
    ("exc", "challenge"),
    [
        (errors.Unauthenticated(), 'Bearer realm="deepaas"'),
        (errors.InvalidCredentials(), 'Bearer realm="deepaas", error="invalid_token"'),
    ],
)
def test_who_has_not_signed_in_is_told_how(exc: errors.Unauthenticated, challenge: str) -> None:
    for response in (response_of(exc), problem_of(exc)):
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("exc", "status", "body"),
    [
        (
            errors.InvalidArguments({"a": ["Missing data for required field."]}),
            422,
            {"a": ["Missing data for required field."]},
        ),
        (errors.InvalidArguments({"b": {1: ["bad"]}}), 422, {"b": {"1": ["bad"]}}),
        (
            errors.MalformedBody("json", "Invalid JSON body."),
            400,
            {"json": ["Invalid JSON body."]},
        ),
        (errors.MalformedBody("form", "no form"), 400, {"form": ["no form"]}),
    ],
)
def test_messages_by_field(exc: errors.DeepaasError, status: int, body: Any) -> None:
    response = response_of(exc)
    assert response.status == status
    assert response.content_type == "application/json"
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == body


@pytest.mark.parametrize(
    ("exc", "status"),
    [
        (errors.Unavailable("busy"), 503),
        (errors.WorkerDied(), 503),
        (errors.StorageUnavailable("/secret/path is away"), 503),
        (errors.StorageFull("/secret/path is full"), 507),
    ],
)
def test_what_passes_may_be_tried_again(
    exc: errors.Unavailable, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        response = response_of(exc)
    assert response.status == status
    assert ("Retry-After" in response.headers) == (status == 503)
    assert response.text == f"{status}: {exc.public_message}"
    assert "/secret" not in response.text
    # The operator is told the path.
    assert ("/secret/path" in caplog.text) == isinstance(exc, errors.StorageUnavailable)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("busy", "busy"),
        ("two\r\nlines\tand  more", "two lines and more"),
        ("", "Conflict"),
        (" \n", "Conflict"),
    ],
)
def test_a_model_may_choose_status_and_reason(text: str, reason: str) -> None:
    response = response_of(errors.CallFailed("HTTPConflict", text, status=409))
    assert (response.status, response.reason) == (409, reason)
    assert response.text == f"409: {text}"


def test_an_error_of_a_driver_has_the_response_of_its_nearest_base() -> None:
    class QuotaExceeded(errors.StorageFull):
        """A driver's own."""

    class Rejected(errors.InvalidInput):
        """An author's own."""

    assert response_of(QuotaExceeded()).status == 507
    assert response_of(Rejected("no")).status == 400


@pytest.mark.parametrize("cls", subclasses(errors.DeepaasError), ids=lambda cls: cls.__name__)
def test_every_error_has_a_response(cls: type[errors.DeepaasError]) -> None:
    exc = cls.__new__(cls)
    Exception.__init__(exc, "text")
    exc.__dict__.update(
        messages={}, kind="json", status=None, text="", limit_bytes=1, retry_after_s=1
    )
    assert response_of(exc).status >= 400
