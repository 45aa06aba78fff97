# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the command prints: nothing that a server says steers a terminal."""

from typing import Final

from deepaas.cmd.jobs.output import abandon, take_any_character, tell

__all__ = [
    "PROG",
    "abandon",
    "print_json",
    "print_table",
    "print_text",
    "take_any_character",
    "tell",
]

PROG: Final = "deepaas orchestrator"
_COLUMNS: Final = ("UUID", "STATUS", "CREATED", "ENDPOINT")
