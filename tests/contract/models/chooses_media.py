# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has an ordinary argument accept, and answers in every way that a body can have."""

import io
from typing import Any

from marshmallow import fields, validate


class Named(io.BytesIO):
    """As files in memory are named for their download."""

    name = "/tmp/report 1.pdf"


def get_predict_args() -> dict[str, Any]:
    return {
        "how": fields.Str(load_default="told"),
        "accept": fields.Str(
            load_default="image/png",
            validate=validate.OneOf(["application/json", "image/png", "text/plain", "image/*"]),
        ),
    }


def predict(how: str, accept: str) -> Any:
    return {
        "told": accept,
        "bytes": b"\x89PNG",
        "BytesIO": io.BytesIO(b"\x89PNG"),
        "StringIO": io.StringIO("a,b\n1,2\n"),
        "str": "grün",
        "named": Named(b"%PDF"),
        "None": None,
        "dict": {"a": 1},
        "numbers": {"nan": float("nan"), "list": [float("inf"), 1.5, True, None]},
    }[how]
