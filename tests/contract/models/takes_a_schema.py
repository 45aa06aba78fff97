# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declares its arguments as a schema, and has nothing else than predict()."""

from typing import Any

from marshmallow import Schema, fields


class Arguments(Schema):
    number = fields.Int(load_default=1)
    text = fields.Str(required=True)


def get_predict_args() -> dict[str, Any]:
    return Arguments().fields


def predict(**given: Any) -> Any:
    return given
