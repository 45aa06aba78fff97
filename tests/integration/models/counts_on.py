# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Counts, goes on from its checkpoint, and may fail once; ends when its gate is open."""

import time
from pathlib import Path
from typing import Any

from webargs import fields

import deepaas

training = deepaas.Training(resumable=True, retries=1)


def get_train_args() -> dict[str, Any]:
    return {"gate": fields.Str(required=True), "fails": fields.Bool(load_default=False)}


def train(gate: str, fails: bool) -> int:
    checkpoint = deepaas.checkpoint_dir() / "next"
    number = int(checkpoint.read_text()) if checkpoint.exists() else 0
    failed = deepaas.artifact_dir() / "failed"
    while number < 10 or not Path(gate).exists():
        print(f"line {number}")
        deepaas.progress(number)
        number += 1
        (new := checkpoint.with_suffix(".new")).write_text(str(number))
        new.replace(checkpoint)
        if fails and number == 5 and not failed.exists():
            failed.touch()
            raise ValueError("the first time, it fails")
        time.sleep(0.005)
    return number
