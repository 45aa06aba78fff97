# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Shows bars of tqdm in its training, prints beside them, and reports nothing itself."""

import time
from pathlib import Path
from typing import Any

from tqdm import tqdm, trange
from webargs import fields


def get_train_args() -> dict[str, Any]:
    return {
        "disable": fields.Bool(load_default=False),
        "gate": fields.Str(load_default=""),
    }


def train(disable: bool, gate: str) -> str:
    for epoch in trange(3, disable=disable):
        batches = tqdm(range(500), leave=False, disable=disable)
        for batch in batches:
            batches.set_postfix(loss=f"{1 / (batch + 1):.3f}")
        print(f"epoch {epoch}")
        time.sleep(0.11)  # a bar looks at the time, and tells what it shows every 0.1 s
        while epoch == 1 and gate and not Path(gate).exists():
            time.sleep(0.01)
    return "trained"
