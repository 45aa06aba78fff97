# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declares arguments in the current dialect, and answers what it got."""

from typing import Any

from marshmallow import fields as plain
from webargs import fields, validate


class Reversed(plain.Field):
    """A field of the author's own."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return str(value)[::-1]


class Thing:
    def __repr__(self) -> str:
        return "<a thing>"


class Odd(plain.Field):
    """Gives what JSON does not have."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [{value}, Thing()]


def get_predict_args() -> dict[str, Any]:
    places = ("query", "querystring", "form", "json", "headers", "cookies")
    return {
        "text": fields.Str(metadata={"description": "Any text."}),
        "number": plain.Int(load_default=3, validate=validate.Range(1, 10)),
        "float": plain.Float(),
        "own": Reversed(),
        "name-with-dash": fields.Str(),
        "bbox(N,W,S,E)": fields.Str(),
        "keyword": fields.Str(data_key="on-the-wire"),
        "list": fields.List(fields.Int()),
        "delimited": fields.DelimitedList(fields.Int()),
        "dict": fields.Dict(),
        "free": fields.Str(metadata={"enum": ["a", "b"]}),
        "checked": fields.Str(validate=validate.OneOf(["a", "b"])),
        **{f"of-{place}": fields.Str(metadata={"location": place}) for place in places},
    }


def predict(**given: Any) -> Any:
    return given


def get_train_args() -> dict[str, Any]:
    return {"needed": fields.Int(required=True), "day": fields.Date(), "odd": Odd()}


def train(needed: int, **others: Any) -> int:
    return needed
