# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Prints as fast as it can, from Python and from C, as many bytes as it is asked to."""

import os
from typing import Any

from webargs import fields


def get_train_args() -> dict[str, Any]:
    return {"megabytes": fields.Int(required=True)}


def train(megabytes: int) -> str:
    print("the first line")
    lines = (b"x" * 99 + b"\n") * 10_000
    for _ in range(megabytes):
        os.write(1, lines)
    print("the last line")
    return "printed all of it"
