# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Takes until the test allows it to load."""

from tests.integration.signals import of_the_test

signals = of_the_test()


def warm() -> None:
    signals.note("warms")
    signals.wait_until("go")


def predict() -> None:
    return None
