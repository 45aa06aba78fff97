# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has accept in the headers."""

from typing import Any

from marshmallow import fields, validate


def get_predict_args() -> dict[str, Any]:
    return {
        "accept": fields.Str(
            validate=validate.OneOf(["image/png", "text/plain"]),
            metadata={"location": "headers"},
        )
    }


def predict(accept: str) -> Any:
    return accept
