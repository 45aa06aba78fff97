# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Recognise that a process can use its GPU no more: only a new process can.

After some errors CUDA answers every later call with the same error, until the process ends; its
reference says so of each ("any further CUDA work will return the same error", cudaError_t). HIP has
the same ones. No framework is imported to know its exceptions.
"""

import re
from pathlib import Path

from deepaas.execution.out_of_memory import chain_of

#: Any of them in a text is of a GPU, whoever raised it.
_OF_A_GPU = re.compile(r"\b(CUDA|cuda|HIP|hip)(_ERROR_| ?[eE]rror)")
#: By the text that CUDA has for it, and by its name in the runtime's and the driver's interface.
_LASTING = re.compile(
    r"illegal memory access|IllegalAddress|ILLEGAL_ADDRESS"
    r"|device-side assert|cudaErrorAssert|CUDA_ERROR_ASSERT"
    r"|unspecified launch failure|LaunchFailure|LAUNCH_FAILED"
    r"|launch timed out|LaunchTimeout|LAUNCH_TIMEOUT"
    r"|misaligned address|MisalignedAddress|MISALIGNED_ADDRESS"
    r"|illegal instruction|IllegalInstruction|ILLEGAL_INSTRUCTION"
    r"|not supported on global/shared address space|InvalidAddressSpace|INVALID_ADDRESS_SPACE"
    r"|invalid program counter|InvalidPc|INVALID_PC"
    r"|hardware stack error|HardwareStackError|HARDWARE_STACK_ERROR"
    r"|uncorrectable (ECC|NVLink) error|ECCUncorrectable|ECC_UNCORRECTABLE|NVLINK_UNCORRECTABLE"
)
#: What a process has mapped that uses a GPU: the driver's library, or HIP's.
_LIBRARIES = re.compile(r"/lib(cuda|amdhip64)\.so", re.ASCII)
_MAPS = Path("/proc/self/maps")


def lost_device(exc: BaseException, maps: Path = _MAPS) -> str | None:
    """Return the first line of what says that the GPU is lost to this process.

    Args:
        exc: What a model raised; those that caused it count too.
        maps: What this process has mapped (proc(5)).

    Returns:
        ``None`` if it says nothing of the kind, or quotes it: the process uses no GPU.
    """
    for link in chain_of(exc):
        try:
            text = str(link)
        except Exception:  # noqa: BLE001 - the author's __str__
            text = ""
        if _OF_A_GPU.search(text) and _LASTING.search(text):
            return text.strip().partition("\n")[0] if _uses_gpu(maps) else None
    return None


def _uses_gpu(maps: Path) -> bool:
    try:
        return _LIBRARIES.search(maps.read_text("utf-8", errors="replace")) is not None
    except OSError:
        return True  # nobody knows
