# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has a response schema that is a class."""

from typing import Any

from marshmallow import Schema, fields


class CatSchema(Schema):
    age = fields.Int(required=True)


schema = CatSchema


def predict() -> Any:
    return {"age": "7"}
