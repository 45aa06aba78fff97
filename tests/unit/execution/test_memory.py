# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""It is recognised that memory ran out, whoever says so."""

import pytest

from deepaas.execution.memory import tells_of_memory


@pytest.mark.parametrize(
    "text",
    [
        "warm() of file 'x.py' raised MemoryError: ",
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
        "ResourceExhaustedError: failed to allocate memory",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate",
        "RuntimeError: CUDA_ERROR_OUT_OF_MEMORY",
        "OSError: [Errno 12] Cannot allocate memory",
        "_ArrayMemoryError: Unable to allocate 8.00 TiB for an array",
    ],
)
def test_these_tell_of_memory(text: str) -> None:
    assert tells_of_memory(text)


@pytest.mark.parametrize("text", ["ValueError: a strange format", "KeyError: 'memory'", ""])
def test_these_do_not(text: str) -> None:
    assert not tells_of_memory(text)
