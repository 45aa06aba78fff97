# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the routes that change which version is served, or evaluate one.

Each is made when it is first needed: importing marshmallow takes its time.
"""

from functools import cache
from typing import Any, Final

from aiohttp import web

from deepaas.api import parameters
from deepaas.errors import InvalidArguments, MalformedBody
from deepaas.model.arguments import ArgumentParser
from deepaas.model.jsonform import decode_json
from deepaas.records import CallInput

#: Answers of a model say so which version has given them.
VERSION_HEADER: Final = "X-Model-Version"


@cache
def promotion() -> ArgumentParser:
    """Return the parameters of a promotion."""
    return ArgumentParser({"prefer": _prefer()})


@cache
def rollback() -> ArgumentParser:
    """Return the parameters of a rollback."""
    version = _version(
        description="The version to serve; 0: the package as installed. Without one, the version"
        " that was served before."
    )
    return ArgumentParser({"version": version, "prefer": _prefer()})


@cache
def evaluation() -> ArgumentParser:
    """Return the parameters of an evaluation: headers, for all else is the model's own."""
    version = _version(
        VERSION_HEADER,
        location="headers",
        description="The version to evaluate; 0: the package as installed. Without one, the version"
        " that is served when the request comes.",
    )
    return ArgumentParser({"version": version, "key": parameters.key_field()})


def read_evaluated(request: web.Request) -> int | None:
    """Return the version that a request for an evaluation names, ``None`` if it names none.

    Raises:
        InvalidArguments: It is no integer, or there are several.
    """
    parameters.require_once(request, VERSION_HEADER)
    number: int | None = parameters.read(request, evaluation())["version"]
    return number


def _version(name: str = "version", **metadata: str) -> Any:
    from marshmallow import fields, validate

    return fields.Int(
        data_key=name,
        load_default=None,
        validate=validate.Range(0, 2**31 - 1, error="{input} is not between {min} and {max}."),
        metadata=metadata,
    )


def require_known(given: CallInput, *, has_body: bool) -> None:
    """Refuse what a rollback would overlook: without its version it serves the one before.

    Args:
        given: What was sent.
        has_body: Whether there was a body, of whatever kind.

    Raises:
        InvalidArguments: A name is unknown, the version is no integer, or the body was not read.
        MalformedBody: It is not JSON.
    """
    body: Any = {}
    if given.body:
        body = _object(given.body)
    elif has_body and given.body is None and not given.form and not given.files:
        raise InvalidArguments({"_schema": ["The body must be a JSON object or a form."]})
    names = [name for pairs in (given.query, given.form, given.files) for name, _ in pairs]
    known = {each.wire_name for each in rollback().arguments if each.location != "headers"}
    unknown = [name for name in (*names, *body) if name not in known]
    if unknown:
        raise InvalidArguments({name: ["Unknown field."] for name in unknown})
    if isinstance(body.get("version"), float):
        raise InvalidArguments({"version": ["Not a valid integer."]})


def _object(body: bytes | memoryview) -> dict[str, Any]:
    try:
        decoded = decode_json(body)
    except ValueError as exc:
        raise MalformedBody("json", "Invalid JSON body.") from exc
    if not isinstance(decoded, dict):
        raise InvalidArguments({"_schema": ["The body must be a JSON object or a form."]})
    return decoded


def _prefer() -> Any:
    from marshmallow import fields

    return fields.Str(
        data_key="Prefer",
        load_default="",
        metadata={
            "location": "headers",
            "description": "With respond-async the answer comes at once, with the status 202; the"
            " list of versions shows how it goes on.",
        },
    )
