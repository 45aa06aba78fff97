# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers with the sum of what it was given."""

import hashlib
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {"text": fields.Str(load_default=""), "numbers": fields.List(fields.Int())}


def predict(text: str, numbers: list[int] | None = None) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "length": len(text),
        "sum": sum(numbers or []),
    }
