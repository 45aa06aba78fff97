# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the routes that change which version is served.

Each is made when it is first needed: importing marshmallow takes its time.
"""

from functools import cache
from typing import Any

from deepaas.model.arguments import ArgumentParser


@cache
def promotion() -> ArgumentParser:
    """Return the parameters of a promotion."""
    return ArgumentParser({"prefer": _prefer()})


@cache
def rollback() -> ArgumentParser:
    """Return the parameters of a rollback."""
    from marshmallow import fields, validate

    version = fields.Int(
        load_default=None,
        validate=validate.Range(0, 2**31 - 1, error="{input} is not between {min} and {max}."),
        metadata={
            "description": "The version to serve; 0: the package as installed. Without one, the"
            " version that was served before."
        },
    )
    return ArgumentParser({"version": version, "prefer": _prefer()})


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


def is_async(prefer: str) -> bool:
    """Whether the header ``Prefer`` asks for an answer at once (RFC 7240, section 4.1)."""
    preferences = (each.partition(";")[0].strip().lower() for each in prefer.split(","))
    return "respond-async" in preferences
