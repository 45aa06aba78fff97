# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has an argument accept without choices."""

from typing import Any

from marshmallow import fields


def get_predict_args() -> dict[str, Any]:
    return {"accept": fields.Str(load_default="application/json")}


def predict(accept: str) -> Any:
    return accept
