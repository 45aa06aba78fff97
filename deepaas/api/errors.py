# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Errors into responses, by the class of the error or the nearest of its bases."""

import logging
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from deepaas import errors
from deepaas.api.guards.headers import CHALLENGE, REFUSED_CHALLENGE
from deepaas.api.keys import REQUEST_ID, SETTINGS
from deepaas.model.encoding import encode_json

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 1
#: Clients read a status line up to 8 KiB, or less.
_MAX_PHRASE_CHARACTERS = 200


#: What a problem has beside its body.
_KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate")


def _text(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{status}: {text}", headers=headers)


def _json(status: int, messages: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        body=encode_json(messages),
        # Without a character set, as in version 2: JSON has but one.
        content_type="application/json",
    )


def _call_failed(exc: errors.CallFailed) -> web.Response:
    """Answer as the model chose."""
    if exc.status is None:
        return _text(500, exc.message)
    response = _text(exc.status, exc.text)
    response.set_status(exc.status, _phrase(exc.text) or None)
    return response


def _phrase(text: str) -> str:
    """Return a reason phrase: one line without control characters (RFC 9112, section 4)."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())[:_MAX_PHRASE_CHARACTERS]


def _unauthenticated(exc: errors.Unauthenticated) -> web.Response:
    is_wrong = isinstance(exc, errors.InvalidCredentials)
    challenge = REFUSED_CHALLENGE if is_wrong else CHALLENGE
    return _text(401, exc.message, **{"WWW-Authenticate": challenge})


def _too_many(exc: errors.TooManyRequests) -> web.Response:
    return _text(429, exc.message, **{"Retry-After": str(exc.retry_after_s)})


def _unavailable(exc: errors.Unavailable) -> web.Response:
    return _text(503, exc.public_message, **{"Retry-After": str(_RETRY_AFTER_S)})


def _storage(exc: errors.StorageUnavailable) -> web.Response:
    logger.warning("%s", exc.message, extra={"action": "storage_failed"})
    if isinstance(exc, errors.StorageFull):
        return _text(507, exc.public_message)
    return _unavailable(exc)


_RESPONSES: Mapping[type[errors.DeepaasError], Callable[[Any], web.Response]] = {
    errors.InvalidArguments: lambda exc: _json(422, exc.messages),
    errors.MalformedBody: lambda exc: _json(400, {exc.kind: [exc.message]}),
    errors.TooLarge: lambda exc: web.Response(status=413, text=exc.message),
    errors.BodyTooSlow: lambda exc: _text(408, exc.message),
    errors.InvalidInput: lambda exc: _text(400, exc.message),
    errors.ModelNotFound: lambda exc: _text(404, "Not Found"),
    errors.NoModuleMetadata: lambda exc: _text(404, exc.message),
    errors.JobNotFound: lambda exc: _text(404, "Not Found"),
    errors.ArtifactNotFound: lambda exc: _text(404, "Not Found"),
    errors.VersionNotFound: lambda exc: _text(404, "Not Found"),
    errors.VersionFailed: lambda exc: _text(422, exc.message),
    errors.Conflict: lambda exc: _text(409, exc.message),
    errors.Unauthenticated: _unauthenticated,
    errors.Forbidden: lambda exc: _text(403, exc.message),
    errors.TooManyRequests: _too_many,
    errors.EndpointDisabled: lambda exc: _text(402, "Payment Required"),
    errors.NotImplementedByModel: lambda exc: _text(501, exc.message),
    errors.CallFailed: _call_failed,
    errors.InvalidAnswer: lambda exc: _text(500, exc.message),
    errors.StorageFull: _storage,
    errors.StorageUnavailable: _storage,
    errors.Unavailable: _unavailable,
    errors.TimedOut: lambda exc: _text(504, exc.message),
    errors.DeepaasError: lambda exc: _text(500, exc.message),
}


def told(
    request: web.Request, exc: errors.DeepaasError, logged_as: str | None = None
) -> errors.DeepaasError:
    """Return what clients may know of an error; a status that the model chose is meant for them.

    Args:
        request: Is answered with it.
        exc: The error.
        logged_as: Id of the request under which the log has it, if it is another one.
    """
    is_raised = isinstance(exc, errors.CallFailed) and exc.status is None
    if not (is_raised or isinstance(exc, errors.VersionFailed)):
        return exc
    if not request.app[SETTINGS].hide_model_errors:
        return exc
    if isinstance(exc, errors.VersionFailed):
        return errors.VersionFailed(exc.number, "the log of the service says why.")
    return errors.DeepaasError(
        "The model raised an exception; the log of the service has it,"
        f" under request {logged_as or request[REQUEST_ID]}."
    )


def problem_of(exc: errors.DeepaasError | web.HTTPException) -> web.Response:
    """Return the response as ``application/problem+json`` (RFC 9457)."""
    if isinstance(exc, web.HTTPException):
        status, detail, headers = exc.status, exc.reason, exc.headers
    else:
        plain = response_of(exc)
        status, detail, headers = plain.status, exc.public_message, plain.headers
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if isinstance(exc, errors.InvalidArguments):
        problem["errors"] = exc.messages
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    return web.Response(
        status=status,
        body=encode_json(problem),
        content_type="application/problem+json",
        headers=kept,
    )


def response_of(exc: errors.DeepaasError) -> web.Response:
    """Return the response for an error of ours."""
    for cls in type(exc).__mro__:
        if cls in _RESPONSES:
            return _RESPONSES[cls](exc)
    raise TypeError(f"not an error of ours: {exc!r}")
