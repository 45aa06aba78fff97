# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Describes itself and does nothing else."""


def get_metadata() -> dict[str, str]:
    return {"description": "idle"}
