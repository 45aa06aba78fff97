# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Takes a large JSON body."""

from typing import Any

from webargs import fields


def get_train_args() -> dict[str, Any]:
    return {"numbers": fields.List(fields.Int(), required=True)}


def train(numbers: list[int]) -> dict[str, int]:
    return {"count": len(numbers), "sum": sum(numbers)}
