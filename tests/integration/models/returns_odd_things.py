# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Returns from its training what JSON does not have."""

import datetime
import math
from typing import Any

import numpy as np


class Opaque:
    def __repr__(self) -> str:
        return "<an opaque thing>"


def train() -> dict[str, Any]:
    return {
        "set": {7},
        "date": datetime.date(2026, 11, 22),
        "array": np.arange(3),
        "scalar": np.float32(0.5),
        "nan": math.nan,
        "opaque": Opaque(),
    }
