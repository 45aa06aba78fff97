# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Its warm() raises while the test says so."""

import os

from tests.integration.signals import of_the_test

signals = of_the_test()


def warm() -> None:
    if signals.is_allowed("to fail"):
        signals.note("fails")
        raise OSError("the weights are gone")
    signals.note("warm")


def predict() -> int:
    return os.getpid()
