# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The models of the soak: one that fails when it is told to, and one that yields.

Served as ``deepaas-run --model-name benchmarks.soak_models:calls,benchmarks.soak_models:items``.
"""

from collections.abc import Iterator
from typing import Any

from marshmallow import fields, validate

from benchmarks import model

FILE = {"type": "file", "location": "form"}


class Calls:
    """Answers a number, or how long an upload is."""

    def get_predict_args(self) -> dict[str, Any]:
        return {
            "number": fields.Int(load_default=0, validate=validate.Range(min=0)),
            "fail": fields.Bool(load_default=False),
            "data": fields.Raw(metadata=FILE),
        }

    def predict(self, number: int, *, fail: bool, data: Any = None) -> dict[str, Any]:
        if fail:
            raise RuntimeError(f"told to fail at {number}")
        if data is None:
            return {"number": number}
        with open(data.filename, "rb") as file:
            return model.size(file)


class Items:
    """Yields some items."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"count": fields.Int(required=True)}

    def predict(self, count: int) -> Iterator[dict[str, Any]]:
        yield from model.stream(count)


calls = Calls()
items = Items()
