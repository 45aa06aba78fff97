# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Is well until the test says otherwise."""

from tests.integration.signals import of_the_test

signals = of_the_test()


def health() -> None:
    if signals.is_allowed("be ill"):
        raise RuntimeError("the licence has ended")


def predict() -> str:
    return "an answer"
