# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A process that can use its GPU no more is told from one that failed once."""

from pathlib import Path

import pytest

from deepaas.execution.lost_device import lost_device
from tests.unit.execution.test_out_of_memory import Unspeakable, caused

ASSERT = (
    "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously"
    " reported at some other API call, so the stacktrace below might be incorrect."
)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Return what a process that uses a GPU has mapped."""
    file = tmp_path / "maps"
    file.write_text("7f00 r-xp 00000000 00:00 0 /usr/lib/x86_64-linux-gnu/libcuda.so.580.1\n")
    return file


@pytest.mark.parametrize(
    "text",
    [
        ASSERT,
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: unspecified launch failure",
        "CUDA error: misaligned address",
        "CUDA error: uncorrectable ECC error encountered",
        "HIP error: the operation cannot be performed: unspecified launch failure",
        "cudaErrorIllegalAddress: an illegal memory access was encountered",
        "INTERNAL: failed to synchronize: CUDA_ERROR_ILLEGAL_ADDRESS",
        "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
    ],
)
def test_what_lasts_until_the_process_ends(text: str, maps: Path) -> None:
    assert lost_device(RuntimeError(text), maps) == text.partition("\n")[0]
    assert lost_device(caused(RuntimeError(text)), maps) == text.partition("\n")[0]


def test_a_process_without_a_gpu_s_library_only_quotes_it(tmp_path: Path) -> None:
    assert lost_device(RuntimeError(ASSERT)) is None
    (tmp_path / "maps").write_text("7f00 r-xp 00000000 00:00 0 /usr/lib/x/libnotcuda.so\n")
    assert lost_device(RuntimeError(ASSERT), tmp_path / "maps") is None


def test_where_nobody_says_what_is_mapped_the_text_counts(tmp_path: Path) -> None:
    assert lost_device(RuntimeError(ASSERT), tmp_path / "none") is not None


@pytest.mark.parametrize(
    "exc",
    [
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: invalid device ordinal"),
        RuntimeError("the driver took an illegal instruction"),
        ValueError("unspecified launch failure of the rocket"),
        Unspeakable(),
    ],
)
def test_what_does_not(exc: Exception, maps: Path) -> None:
    assert lost_device(exc, maps) is None
