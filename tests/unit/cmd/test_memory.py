# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The server's process keeps what it will need again, unless the operator decided."""

import os
import subprocess
import sys

import pytest

#: Frees what bodies of 1 MB take, again and again, and prints how many pages that cost.
PROGRAM = """
import gc, resource
from deepaas.cmd.memory import tune
tune()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    pieces = [bytes([each]) * 300_000 for each in range(4)]
    del pieces
print(gc.get_threshold()[0], gc.get_freeze_count() > 1000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 200)
"""


def faults(**environment: str) -> int:
    """Return how many pages a body costs in a process of its own that is set up."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    collector, found = done.stdout.splitlines()
    assert collector == "5000 True"
    return int(found)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_memory_that_is_needed_again_is_kept() -> None:
    assert faults() < 50


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_an_operator_decides() -> None:
    assert faults(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072") > 200
