# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Notes each call, waits until the test allows it to end, and tells who ran it."""

import os
from typing import Any

from webargs import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


def warm() -> None:
    signals.note("warm")


def get_predict_args() -> dict[str, Any]:
    return {"call": fields.Str(required=True), "until": fields.Str(load_default="")}


def predict(call: str, until: str) -> dict[str, Any]:
    signals.note(f"begins {call} {os.getpid()}")
    if until:
        signals.wait_until(until)
    return {"call": call, "pid": os.getpid()}
