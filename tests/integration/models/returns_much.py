# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Returns as many bytes as are asked for."""

from typing import Any

from webargs import fields, validate


def get_predict_args() -> dict[str, Any]:
    media = validate.OneOf(["application/octet-stream"])
    return {"size": fields.Int(required=True), "accept": fields.Str(validate=media)}


def predict(size: int, accept: str) -> bytes:
    return bytes(size)
