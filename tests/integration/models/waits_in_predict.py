# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Notes each call, waits until the test allows it to end, and tells who ran it."""

import os
from typing import Any

from signals import note, wait_until
from webargs import fields


def warm() -> None:
    note("warm")


def get_predict_args() -> dict[str, Any]:
    return {"call": fields.Str(required=True), "until": fields.Str(load_default="")}


def predict(call: str, until: str) -> dict[str, Any]:
    note(f"begins {call} {os.getpid()}")
    if until:
        wait_until(until)
    return {"call": call, "pid": os.getpid()}
