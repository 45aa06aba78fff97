# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers at once, never, or in the odd way that is asked for."""

import itertools
import threading
import time
from typing import Any

from webargs import fields

import deepaas
from tests.integration.signals import of_the_test

signals = of_the_test()


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default=""), "call": fields.Str(load_default="")}


def get_train_args() -> dict[str, Any]:
    return {}


class Unpicklable:
    """No process can send it to another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def predict(how: str, call: str) -> Any:
    signals.note(f"begins {call}")
    match how:
        case "loops in Python":
            while True:
                pass
        case "loops in C":
            return sum(itertools.repeat(0))
        case "sleeps":
            time.sleep(3600)
        case "takes a while":
            time.sleep(0.3)
        case "unpicklable":
            return Unpicklable()
        case "runs out of memory":
            return bytearray(1 << 60)
        case "who":
            return [deepaas.request_id(), deepaas.principal()]
    return call


def train() -> Any:
    return [deepaas.request_id(), deepaas.principal()]
