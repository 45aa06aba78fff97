# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Starts processes that leave its process group, and trains until a file appears."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from webargs import fields


def get_train_args() -> dict[str, Any]:
    return {"gate": fields.Str(required=True)}


def fork_apart() -> None:
    if os.fork() == 0:
        os.setsid()
        os.fork()
        while True:
            time.sleep(1)


def train(gate: str) -> str:
    fork_apart()
    subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0)
    while not Path(gate).exists():
        time.sleep(0.01)
    return "went through"
