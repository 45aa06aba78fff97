# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Starts processes of its own in a prediction, in the way that is asked for."""

import multiprocessing
import os
import subprocess
import time
from typing import Any

from signals import note, wait_until
from webargs import fields


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def square(number: int) -> None:
    note(f"square {number * number}")


def predict(how: str) -> Any:
    match how:
        case "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=square, args=(7,))
            process.start()
            process.join()
            return process.exitcode
        case "returns":
            child = os.fork()
            if child == 0:
                return "the child's answer"
            os.waitpid(child, 0)
            return "the parent's answer"
        case "fork" | "setsid":
            if os.fork() == 0:
                if how == "setsid":
                    os.setsid()
                note(f"child {os.getpid()}")
                time.sleep(3600)
            note(f"parent {os.getpid()}")
            wait_until("never")
        case "subprocess":
            child = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True).pid
            note(f"child {child}")
            note(f"parent {os.getpid()}")
            wait_until("never")
    return os.getpid()
