# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What people call jobs; standard library only, since guards use it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NOUNS: Final[Mapping[str, str]] = MappingProxyType({"train": "training", "evaluate": "evaluation"})


def noun_of(kind: str) -> str:
    """Return what a job of a kind is called in a message."""
    return _NOUNS.get(kind, "job")
