# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Starts processes of its own in a prediction, in the way that is asked for."""

import multiprocessing
import os
import subprocess
import time
from typing import Any

from webargs import fields

from tests.integration.signals import of_the_test

signals = of_the_test()


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def square(number: int) -> None:
    signals.note(f"square {number * number}")


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
                signals.note(f"child {os.getpid()}")
                time.sleep(3600)
            signals.note(f"parent {os.getpid()}")
            signals.wait_until("never")
        case "orphan":
            # The shell ends at once, its child a little later, when nobody here waits for it.
            subprocess.run(["/bin/sh", "-c", "sleep 0.3 &"], start_new_session=True, check=True)
        case "subprocess":
            child = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True).pid
            signals.note(f"child {child}")
            signals.note(f"parent {os.getpid()}")
            signals.wait_until("never")
    return os.getpid()
