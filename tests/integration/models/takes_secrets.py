# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Takes secrets in every place, refuses some, and answers what they hash to."""

import hashlib
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

import deepaas

SECRET = {"secret": True}
#: What no description may tell.
DEFAULT, CHOICE = "planted-default-7c1f", "planted-choice-51ab"


class Account(Schema):
    user = fields.Str()
    password = fields.Str(metadata={"secret": True, "example": "planted-example-02de"})


def _refuse_short(value: str) -> None:
    """Quote what was given, as validators do."""
    if len(value) < 8:
        raise ValidationError(f"{value!r} is too short")
    if value.startswith("odd"):
        float(value)  # a ValueError quotes it too


def get_predict_args() -> dict[str, Any]:
    return {
        "key": fields.Str(
            load_default=DEFAULT,
            validate=validate.NoneOf(["planted-bad"], error="{input} is one of {values}"),
            metadata=SECRET,
        ),
        "choice": fields.Str(
            validate=validate.OneOf([CHOICE], error="{input} is none of {choices}"),
            metadata=SECRET,
        ),
        "pin": fields.Int(metadata=SECRET),
        "keys": fields.List(fields.Str(metadata={"example": "planted-item-3e8f"}), metadata=SECRET),
        "header": fields.Str(data_key="X-Key", metadata={**SECRET, "location": "headers"}),
        "cookie": fields.Str(data_key="session", metadata={**SECRET, "location": "cookies"}),
        "renamed": fields.Str(attribute="other", metadata=SECRET),
        "file": fields.Raw(metadata={"location": "files", **SECRET}),
    }


def get_train_args() -> dict[str, Any]:
    # With a function among the validators, the model's own process checks.
    return {
        **get_predict_args(),
        "long": fields.Str(validate=_refuse_short, metadata=SECRET),
        "account": fields.Nested(Account),
        "open": fields.Str(
            load_default="control-default",
            validate=validate.NoneOf(["control-wrong"], error="{input} is none"),
        ),
    }


get_evaluate_args = get_train_args


def _digests(given: dict[str, Any]) -> dict[str, str]:
    given.pop("file", None)
    return {name: hashlib.sha256(str(value).encode()).hexdigest() for name, value in given.items()}


def predict(**given: Any) -> Any:
    return _digests(given)


def train(**given: Any) -> Any:
    deepaas.progress(1, 1, loss=0.5)
    return _digests(given)


def evaluate(**given: Any) -> Any:
    return {"accuracy": 1.0}
