# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declares arguments in the legacy dialect, in an ordered dict, and answers what it got."""

from collections import OrderedDict
from typing import Any

from webargs import fields, validate


def get_predict_args() -> "OrderedDict[str, Any]":
    return OrderedDict(
        number=fields.Int(missing=3, description="A number.", enum=[1, 3]),
        text=fields.Str(missing="x", required=False, location="query"),
        header=fields.Str(location="headers"),
        checked=fields.Str(validate=validate.OneOf(["a"]), enum=["a", "b"]),
        data=fields.Field(type="file", location="form", description="A file."),
    )


def predict(**given: Any) -> Any:
    data = given.pop("data", None)
    return {**given, **({"data": data.original_filename} if data is not None else {})}
