# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Recognise that a model ran out of memory: by its exception, or by the kernel's counts.

Standard library only, since guards use it; no framework is imported to know its exceptions.
"""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
#: How PyTorch, TensorFlow, JAX, CuPy and CUDA's libraries say it where the class does not.
_GPU_TEXT = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|HIP out of memory|CUDA_ERROR_OUT_OF_MEMORY"
    r"|cudaErrorMemoryAllocation|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
    r"|RESOURCE_EXHAUSTED: Out of memory"
)
#: Classes of exceptions, by the package of their module.
_GPU_CLASSES = frozenset(
    {
        ("torch", "OutOfMemoryError"),
        ("cupy", "OutOfMemoryError"),
        ("cupy_backends", "CUDARuntimeError"),
    }
)
_EXHAUSTED = ("tensorflow", "ResourceExhaustedError")
#: PyTorch's RuntimeError for the machine's memory.
_CPU_TEXT = re.compile(r"DefaultCPUAllocator: (can't|not enough) (allocate )?memory")


def shortage(exc: BaseException) -> str | None:
    """Say what memory an exception tells to be short of, ``None`` if it tells of none.

    Those that caused it count too.
    """
    for link in chain_of(exc):
        if found := _shortage_of(link):
            return found
    return None


def chain_of(exc: BaseException) -> Iterator[BaseException]:
    """Give an exception, and those that caused it."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _shortage_of(exc: BaseException) -> str | None:
    if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM):
        return "Out of memory"
    classes = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(exc).__mro__}
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - the author's __str__
        text = ""
    if _GPU_TEXT.search(text) or classes & _GPU_CLASSES:
        return "Out of GPU memory"
    if _CPU_TEXT.search(text):
        return "Out of memory"
    if _EXHAUSTED in classes:
        return "Out of GPU memory" if "GPU" in text else "Out of memory"
    return None


class KillCounts(NamedTuple):
    """How often the kernel killed a process for lack of memory, ``None`` where it does not say."""

    #: In the control group of this process, and in those below it.
    in_group: int | None
    #: On the machine, other containers included.
    on_machine: int | None

    def since(self, before: "KillCounts") -> "KillCounts":
        """Return how many more they are than before."""
        return KillCounts(*(_difference(now, then) for now, then in zip(self, before, strict=True)))


def count_kills(proc: Path = _PROC, groups: Path = _CGROUPS) -> KillCounts:
    """Ask the kernel; the arguments stand in for ``/proc`` and ``/sys/fs/cgroup``."""
    return KillCounts(_kills_in_group(proc, groups), _value(proc / "vmstat", "oom_kill"))


def explain_kill(kills: KillCounts) -> str:
    """Say in words what SIGKILL from somebody else meant, by the counts since the start."""
    if kills.in_group:
        return "it ran out of memory, more than the container or the control group may use"
    if kills.on_machine:
        return "most likely it ran out of memory: the kernel killed a process for that meanwhile"
    if kills.on_machine is None and kills.in_group is None:
        return "the kernel does this when memory runs out"
    return "not for lack of memory, says the kernel: another process sent the signal"


def _kills_in_group(proc: Path, groups: Path) -> int | None:
    """Read the count of this process's group, in version 2 and 1 of control groups."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, name = groups, "memory.events"
        elif "memory" in controllers.split(","):
            folder, name = groups / "memory", "memory.oom_control"
        else:
            continue
        # A container may see its own group as the root, and be told its path from outside.
        for file in (folder / path.lstrip("/") / name, folder / name):
            if (count := _value(file, "oom_kill")) is not None:
                return count
    return None


def _value(path: Path, name: str) -> int | None:
    """Return a number from a file of names and numbers."""
    try:
        text = path.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return None


def _difference(now: int | None, then: int | None) -> int | None:
    return None if now is None or then is None else now - then
