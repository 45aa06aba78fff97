# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Does to its own process what careless code does."""

import os
import sys
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def predict(how: str) -> str:
    match how:
        case "closes its output":
            os.close(1)
        case "closes every descriptor":
            os.closerange(3, 1000)
        case "closes sys.stdout":
            sys.stdout.close()
        case "changes its folder":
            os.chdir("/")
        case "prints a lot":
            for _ in range(20_000):
                print("a line of what a chatty library prints")
        case "answers much":
            return "x" * 1_000_000
    return how
