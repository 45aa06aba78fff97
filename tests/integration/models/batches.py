# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers eight calls together, once it is told to."""

from typing import Any

from webargs import fields

import deepaas
from tests.integration.signals import of_the_test

signals = of_the_test()
batch = deepaas.Batch(max_size=8, max_wait_ms=30_000)


def get_predict_args() -> dict[str, Any]:
    return {"number": fields.Int(required=True)}


def predict_batch(calls: list[dict[str, Any]]) -> list[int]:
    signals.note(f"begins {len(calls)}")
    signals.wait_until("go")
    return [2 * call["number"] for call in calls]
