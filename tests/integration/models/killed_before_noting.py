# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Its first process is killed when it has taken a call and not yet noted it in its page."""

import os
import signal
from typing import Any

from webargs import fields

from deepaas.execution.page import CallPage
from tests.integration.signals import of_the_test

signals = of_the_test()

_begin = CallPage.begin


def begin(self: CallPage, call_id: int, started_s: float, slot: int = 0) -> None:
    signals.note("takes")
    if signals.is_first("taken"):
        os.kill(os.getpid(), signal.SIGKILL)
    _begin(self, call_id, started_s, slot)


CallPage.begin = begin  # type: ignore[method-assign]


def get_predict_args() -> dict[str, Any]:
    return {"call": fields.Str()}


def predict(call: str) -> str:
    signals.note(f"begins {call}")
    return call
