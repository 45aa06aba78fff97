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
    return {"pids": fields.Str(required=True), "gate": fields.Str(required=True)}


def sleep_apart() -> int:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1)
        time.sleep(600)
    return pid


def train(pids: str, gate: str) -> str:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    found = [os.getpid(), sleep_apart(), subprocess.Popen(command, start_new_session=True).pid]
    Path(pids).with_suffix(".tmp").write_text(" ".join(map(str, found)))
    Path(pids).with_suffix(".tmp").rename(pids)
    while not Path(gate).exists():
        time.sleep(0.01)
    return "went through"
