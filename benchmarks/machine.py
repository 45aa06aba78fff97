# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Say what machine this is, and divide its processors."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

_GIB = 1024**3


@dataclass(frozen=True)
class Cores:
    """Who runs where when servers are pinned; ``None``: anywhere."""

    server: frozenset[int] | None
    client: frozenset[int] | None


def divide(available: frozenset[int]) -> Cores:
    """Give the server one processor and the client another; a single one cannot be divided."""
    if len(available) < 2:
        return Cores(None, None)
    first, second = sorted(available)[:2]
    return Cores(server=frozenset({second}), client=frozenset({first}))


def processor_name(text: str) -> str:
    """Find the processor's name in the text of ``/proc/cpuinfo``."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def describe(client: str) -> dict[str, str]:
    """Describe the machine for the table."""
    return {
        "processor": processor_name(Path("/proc/cpuinfo").read_text("utf-8")),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / _GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "client": client,
    }
