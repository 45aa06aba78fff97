# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Fills memory, and keeps it for a while."""

import time
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {"megabytes": fields.Int(required=True)}


def predict(megabytes: int) -> int:
    data = bytearray(b"x") * (megabytes * 1_000_000)
    if megabytes > 100:
        time.sleep(30)
    return len(data)
