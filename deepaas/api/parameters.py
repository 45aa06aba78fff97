# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The parameters of our own routes: read, checked and documented by the same declarations.

Each is made when it is first needed: importing marshmallow takes its time.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from aiohttp import web

from deepaas.errors import InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.records import CallInput, JobPlace, JobState

#: The most jobs on a page.
LONGEST_PAGE: Final = 1000
_PAGE: Final = 100
_MOST_LINES: Final = 100_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR: Final = r"^[0-9]{1,16}-[0-9a-f]{32}$"
_OFFSET: Final = r"^[0-9]{1,15}$"
#: What a header can carry: no space at its ends, and no control character.
_KEY: Final = r"^[!-~]([ -~]{0,253}[!-~])?$"
KEY_HEADER: Final = "Idempotency-Key"


def cursor_of(place: JobPlace) -> str:
    """Return a place in the order of jobs as clients carry it from page to page."""
    return f"{(place.created - _EPOCH) // timedelta(microseconds=1)}-{place.id}"


def place_of(cursor: str) -> JobPlace:
    """Return the place that a cursor of the right form stands for."""
    microseconds, _, job_id = cursor.partition("-")
    return JobPlace(_EPOCH + timedelta(microseconds=int(microseconds)), job_id)


def read(request: web.Request, parser: ArgumentParser) -> dict[str, Any]:
    """Return a request's parameters.

    Raises:
        InvalidArguments: Some are wrong.
    """
    query = tuple(request.rel_url.query.items())
    return parser.parse(CallInput(query=query, headers=tuple(request.headers.items())))


def read_key(request: web.Request) -> str | None:
    """Return the client's own name for the request, ``None`` if it gave none.

    Raises:
        InvalidArguments: It is malformed, or there are several.
    """
    require_once(request, KEY_HEADER)
    key: str | None = read(request, idempotency()).get("key")
    return key


def require_once(request: web.Request, header: str) -> None:
    """Check that a header does not occur several times.

    Raises:
        InvalidArguments: It does.
    """
    if len(request.headers.getall(header, ())) > 1:
        raise InvalidArguments({header: ["This header must occur once."]})


@cache
def jobs() -> ArgumentParser:
    """Return the parameters of a list of jobs."""
    from marshmallow import fields, validate

    return ArgumentParser(
        {
            "state": fields.List(
                fields.Str(validate=_one_of([str(state) for state in JobState])),
                metadata=_in("query", "Only jobs in this state, or in one of these."),
            ),
            "kind": fields.Str(
                validate=_one_of(["train", "predict", "evaluate"]),
                metadata=_in("query", "Only jobs of this kind."),
            ),
            "order": fields.Str(
                load_default="newest",
                validate=_one_of(["newest", "oldest"]),
                metadata=_in("query", "Which jobs come first."),
            ),
            "limit": fields.Int(
                load_default=_PAGE,
                validate=validate.Range(
                    1, LONGEST_PAGE, error="{input} is not between {min} and {max}."
                ),
                metadata=_in("query", "The most jobs on the page."),
            ),
            "cursor": fields.Str(
                validate=validate.Regexp(
                    _CURSOR, error="{input!r} is no cursor: give the 'next' of the page before."
                ),
                metadata=_in("query", "Where the page begins: 'next' of the page before."),
            ),
        }
    )


@cache
def log() -> ArgumentParser:
    """Return the parameters of a log."""
    from marshmallow import fields, validate

    return ArgumentParser(
        {
            "tail": fields.Int(
                validate=validate.Range(
                    0, _MOST_LINES, error="{input} is not between {min} and {max}."
                ),
                metadata=_in("query", "Only so many lines from the end."),
            ),
            "follow": fields.Bool(
                load_default=False,
                metadata=_in("query", "As events, until the job has ended."),
            ),
            "offset": _offset(),
        }
    )


@cache
def events() -> ArgumentParser:
    """Return the parameters of the events."""
    return ArgumentParser({"offset": _offset()})


@cache
def idempotency() -> ArgumentParser:
    """Return the header that names a request."""
    return ArgumentParser({"key": key_field()})


def key_field() -> Any:
    """Return the declaration of that header."""
    from marshmallow import fields, validate

    return fields.Str(
        data_key=KEY_HEADER,
        validate=validate.Regexp(_KEY, error="A key is 1 to 255 printable ASCII characters."),
        metadata=_in(
            "headers",
            "The client's own name for this request: if it comes again with the same input,"
            " it is answered with what was accepted the first time.",
        ),
    )


@cache
def preferences() -> ArgumentParser:
    """Return the header by which a prediction is queued; only the documents use this."""
    from marshmallow import fields

    return ArgumentParser(
        {
            "prefer": fields.Str(
                data_key="Prefer",
                metadata={
                    **_in("headers", "respond-async: queue the call as a job, and answer at once."),
                    "examples": ["respond-async"],
                },
            ),
        }
    )


def _offset() -> Any:
    from marshmallow import fields, validate

    return fields.Str(
        data_key="Last-Event-ID",
        validate=validate.Regexp(_OFFSET, error="{input!r} is not the id of an event."),
        metadata=_in("headers", "The id of the last event that was received, to go on behind it."),
    )


def _one_of(choices: list[str]) -> Any:
    from marshmallow import validate

    return validate.OneOf(choices, error="{input!r} is none of: {choices}.")


def _in(location: str, description: str) -> dict[str, str]:
    return {"location": location, "description": description}
