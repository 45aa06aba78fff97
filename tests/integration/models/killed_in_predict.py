# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Ends its own process in the middle of a prediction, in the way that is asked for."""

import ctypes
import os
import signal
import sys
import time
from typing import Any

from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {
        "how": fields.Str(load_default="answer"),
        "seconds": fields.Float(load_default=0.0),
    }


def predict(how: str, seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    match how:
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "os._exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(3)
    return {"pid": os.getpid()}
