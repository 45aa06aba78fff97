# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a model's history; made when it is first asked for."""

from functools import cache
from typing import Any, Final

from deepaas.model.arguments import ArgumentParser

#: A week of minutes.
_MOST: Final = 10_080
_DAY: Final = 1440
#: The last second that a year of four digits has.
_LAST_S: Final = 253_402_300_799


@cache
def history() -> ArgumentParser:
    """Return the parameters."""
    from marshmallow import fields, validate

    def seconds(default: int, description: str) -> Any:
        return fields.Int(
            load_default=default,
            validate=validate.Range(0, _LAST_S, error="{input} is not between {min} and {max}."),
            metadata={"location": "query", "description": description},
        )

    return ArgumentParser(
        {
            "since": seconds(0, "Only what begins at this time or later, in seconds since 1970."),
            "until": seconds(_LAST_S, "Only what begins before this time, in seconds since 1970."),
            "step": fields.Str(
                load_default="minute",
                validate=validate.OneOf(
                    ["minute", "hour"], error="{input!r} is none of: {choices}."
                ),
                metadata={
                    "location": "query",
                    "description": "How finely: minutes are kept for a week, hours for a year.",
                },
            ),
            "limit": fields.Int(
                load_default=_DAY,
                validate=validate.Range(1, _MOST, error="{input} is not between {min} and {max}."),
                metadata={"location": "query", "description": "At most so many, the newest."},
            ),
        }
    )
