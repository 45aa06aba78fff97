# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Prints as much as it is told, in characters of two and more bytes, and a progress bar."""

import sys
import time
from pathlib import Path
from typing import Any

from webargs import fields

import deepaas


def get_train_args() -> dict[str, Any]:
    return {
        "gate": fields.Str(required=True),
        "lines": fields.Int(load_default=10),
        "kilobytes": fields.Int(load_default=0),
    }


def train(gate: str, lines: int, kilobytes: int) -> None:
    print("begins", flush=True)
    deepaas.progress(0, lines)
    while not Path(gate).exists():
        time.sleep(0.01)
    for _ in range(kilobytes):
        sys.stdout.write("é€😀\n" * 100 + "x" * 23 + "\n")
    for number in range(lines):
        print(f"ligne numéro {number} €😀")
    for percent in range(101):
        sys.stdout.write(f"\r{percent:3}%|{'█' * (percent // 10):10}|")
    print("\nends")
    deepaas.progress(lines, lines, loss=0.25)
