# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An instance and a module that remember."""

from typing import Any

calls: list[int] = []


class Counter:
    def __init__(self) -> None:
        self.warmed = 0

    def warm(self) -> None:
        self.warmed += 1

    def predict(self) -> dict[str, Any]:
        calls.append(len(calls))
        return {"warmed": self.warmed, "calls": len(calls)}


counter = Counter()
