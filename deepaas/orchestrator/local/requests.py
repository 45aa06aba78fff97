# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What clients of the orchestrator ask for, read by the contract."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deepaas.orchestrator.local.records import Refused

_CALLBACK: Final = re.compile(r"https?:.*")
#: A page cannot begin behind the last number of SQLite.
_MOST: Final = 1_000_000
_NUMBERS: Final = ("timeoutMins", "providerTimeoutMins", "maxProvidersRetry")


@dataclass(frozen=True)
class DeploymentRequest:
    """A deployment that is asked for, or a change of one."""

    template: str
    parameters: Mapping[str, Any]
    callback: str | None
    timeout_mins: int | None
    user_group: str | None


def read_request(body: Any) -> DeploymentRequest:
    """Return what a body asks for; members that the contract does not know are dropped.

    Raises:
        Refused: It lacks the template, or a member has no value of its type.
    """
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object.")
    template = body.get("template")
    if not isinstance(template, str) or not template.strip():
        raise Refused(400, "The member 'template' is required: a TOSCA template as text.")
    parameters = body.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise Refused(400, "The member 'parameters' must be an object.")
    callback = _text(body, "callback")
    if callback is not None and not _CALLBACK.match(callback):
        raise Refused(400, f"The member 'callback' is {callback!r}; it must be an http address.")
    numbers = {name: _number(body, name) for name in _NUMBERS}
    timeout, of_provider = numbers["timeoutMins"], numbers["providerTimeoutMins"]
    if timeout is not None and of_provider is not None and of_provider > timeout:
        raise Refused(400, "ProviderTimeout must be <= Timeout")
    return DeploymentRequest(
        template, parameters or {}, callback, timeout, _text(body, "userGroup")
    )


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(400, f"The member {name!r} must be a text.")
    return value


def _number(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    is_one = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST
    if value is not None and not is_one:
        raise Refused(400, f"The member {name!r} is {value!r}; it must be a number from 1.")
    return value


@dataclass(frozen=True)
class PageRequest:
    """A part of a list that is asked for."""

    number: int = 0
    size: int = 10
    newest_first: bool = True


def read_page(query: Mapping[str, str]) -> PageRequest:
    """Return the part that a query asks for; what is no number counts as not said, as in Spring."""
    number = _query_number(query.get("page", ""), 0)
    size = _query_number(query.get("size", ""), 1)
    order = query.get("sort", "createdAt,desc").partition(",")[2].strip().lower()
    return PageRequest(
        0 if number is None else number, 10 if size is None else size, order != "asc"
    )


def _query_number(text: str, least: int) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) < 8
    return min(int(text), _MOST) if is_number and int(text) >= least else None
