# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Has no train()."""


def predict() -> str:
    return "predicted"
