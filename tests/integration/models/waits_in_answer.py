# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What it returns takes until the test allows it to be encoded."""

import os
from typing import Any

from webargs import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


class Lazy:
    def __init__(self, until: str) -> None:
        self._until = until

    def tolist(self) -> list[int]:
        signals.note(f"encodes {os.getpid()}")
        if self._until:
            signals.wait_until(self._until)
        return [1, 2, 3]


def get_predict_args() -> dict[str, Any]:
    return {"until": fields.Str(load_default="")}


def predict(until: str) -> Lazy:
    return Lazy(until)
