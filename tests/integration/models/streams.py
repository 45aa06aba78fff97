# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Yields its answer piece by piece, and notes how far it is and when it was closed."""

import os
import signal
from collections.abc import Iterator
from typing import Any

from webargs import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


def get_predict_args() -> dict[str, Any]:
    return {
        "count": fields.Int(load_default=3),
        "size": fields.Int(load_default=0),
        "fails": fields.Str(load_default=""),
        "accept": fields.Str(load_default="application/json"),
    }


def predict(count: int, size: int, fails: str, accept: str) -> Iterator[Any]:
    number = 0
    try:
        for number in range(count):
            if size:
                yield bytes(size) if accept.startswith("image/") else "x" * size
            else:
                yield {"n": number}
        if fails == "raises":
            raise ValueError("no more of them")
        if fails == "dies":
            signals.wait_until("die")
            os.kill(os.getpid(), signal.SIGKILL)
    finally:
        signals.note(f"closed {number}")
