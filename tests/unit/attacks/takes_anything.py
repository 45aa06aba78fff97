# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model that takes any JSON, and gives it back if it is asked to."""

from typing import Any

from marshmallow import fields


def get_predict_args() -> dict[str, Any]:
    return {"value": fields.Raw(metadata={"location": "json"}), "back": fields.Bool()}


get_train_args = get_predict_args


def predict(value: Any = None, back: bool = False) -> Any:
    return value if back else type(value).__name__


train = predict
