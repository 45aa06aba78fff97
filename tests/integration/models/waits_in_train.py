# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Trains until a file appears, prints numbered lines meanwhile, and notes who ran where."""

import os
import time
from itertools import count
from pathlib import Path
from typing import Any

from webargs import fields

import deepaas


def get_train_args() -> dict[str, Any]:
    return {"gate": fields.Str(required=True), "ran": fields.Str(load_default=os.devnull)}


def train(gate: str, ran: str) -> str:
    with Path(ran).open("a") as file:
        file.write(f"{deepaas.artifact_dir().parent.name} {os.getpid()}\n")
    for number in count():
        print(f"line {number}")
        deepaas.progress(number)
        if Path(gate).exists():
            print("last line")
            return "went through"
        time.sleep(0.01)
    raise AssertionError


def predict() -> dict[str, int]:
    return {"pid": os.getpid()}
