# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Exceptions as data: what crosses from a model's process to others."""

import sys
import traceback

from deepaas.errors import (
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    MalformedBody,
    NotImplementedByModel,
)
from deepaas.execution.messages import Failure
from deepaas.model.encoding import json_safe


def _text(value: object) -> str:
    """Return ``str(value)`` as a text that can be sent.

    Making it may raise, and may give an instance of the author's own class, whose pickle the server
    could not read, or half a surrogate pair.
    """
    try:
        return str.encode(str(value), "utf-8", "backslashreplace").decode()
    except Exception as broken:  # noqa: BLE001 - the author's __str__
        return f"(its text cannot be made: {type(broken).__name__})"


def failure_of(exc: BaseException) -> Failure:
    """Return an exception as data: nothing in it is of the author's classes."""
    text = _text(exc)
    name = type(exc).__name__
    match exc:
        case InvalidArguments():
            return Failure(name, text, messages=json_safe(exc.messages), origin="arguments")
        case MalformedBody():
            return Failure(name, text, messages={exc.kind: [text]}, origin="body")
        case NotImplementedByModel():
            return Failure(name, text, origin="missing")
    try:
        trace = "".join(traceback.format_exception(exc))
    except Exception:  # noqa: BLE001 - the author's __str__
        trace = "".join(traceback.format_tb(exc.__traceback__))
    if isinstance(exc, InvalidAnswer):
        return Failure(name, text, f"{trace}{exc.detail}", origin="answer")
    if isinstance(exc, InvalidInput):
        return Failure(name, text, trace, status=400)
    status, text = chosen_status(exc, text)
    return Failure(name, text, trace, status=status)


def chosen_status(exc: BaseException, text: str) -> tuple[int | None, str]:
    """Return status and reason of aiohttp's exceptions, which models raise as documented in 2.x.

    The reason may be any object there: ``HTTPBadRequest(reason=exc)`` is in the old documentation.
    """
    module = sys.modules.get("aiohttp.web_exceptions")
    if module is None:
        return None, text
    if isinstance(exc, module.HTTPException):
        return _valid(exc.status), _text(exc.reason)
    return _refused_by_aiohttp(exc, module.HTTPException) or (None, text)


def _refused_by_aiohttp(exc: BaseException, base: type) -> tuple[int, str] | None:
    """Return status and reason of an exception that aiohttp refused to make.

    aiohttp 3.14 fails with objects, several lines, and half a surrogate pair.
    """
    code = base.__init__.__code__  # type: ignore[misc]
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if frame.f_code is code:
            status = _valid(frame.f_locals["self"].status_code)
            return status, _text(frame.f_locals["reason"])
    return None


def _valid(status: int) -> int:
    """Return a status that can be answered: ``HTTPException`` itself, which models use, has -1."""
    return status if 200 <= status <= 599 else 500
