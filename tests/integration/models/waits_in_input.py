# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A field of its own, which only a worker can parse, waits until the test allows it to end."""

import os
from typing import Any

from marshmallow import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


class Waiting(fields.Field):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        signals.note(f"reads {os.getpid()}")
        signals.wait_until("read")
        return len(value)


def get_predict_args() -> dict[str, Any]:
    return {"data": Waiting(load_default=0)}


def predict(data: int) -> int:
    return data
