# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has a response schema that is a dict of fields."""

from typing import Any

from marshmallow import fields

schema = {"age": fields.Int(required=True)}


def get_predict_args() -> dict[str, Any]:
    return {"age": fields.Str(load_default="7")}


def predict(age: str) -> Any:
    return {"age": age}
