# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Sets a time limit of its own."""

import os
import time
from typing import Any

from webargs import fields

import deepaas

limits = deepaas.Limits(predict_timeout_s=0.5)


def get_predict_args() -> dict[str, Any]:
    return {"seconds": fields.Float(load_default=0.0)}


def predict(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()
