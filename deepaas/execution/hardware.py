# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What machine this is, as far as it is told for nothing: no framework is imported for it."""

import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_KIB = 1024
#: What nvidia-smi may take where the driver's own files are not to be seen.
_SMI_S = 5.0
_SMI_QUERY = ("--query-gpu=name,uuid", "--format=csv,noheader")
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def hardware(root: Path = Path("/")) -> dict[str, Any]:
    """Return the processor, the cores and the memory that may be used, and the GPUs.

    Args:
        root: Where ``proc``, ``sys`` and ``dev`` are.

    Returns:
        ``cpu``, ``cores``, ``memory_bytes``, ``gpus`` (each with ``name`` and ``uuid``) and
        ``visible_gpus``, the process's own choice of them. What is not told is ``None``.
    """
    groups = list(_control_groups(root))
    cores = [float(len(os.sched_getaffinity(0)))]
    cores += [share for group in groups if (share := _cpu_share(group)) is not None]
    memory = [size for group in groups if (size := _number(group / "memory.max")) is not None]
    if (installed := _installed_memory(root)) is not None:
        memory.append(installed)
    return {
        "cpu": _field(root / "proc/cpuinfo", "model name") or platform.machine() or None,
        "cores": math.ceil(min(cores)),
        "memory_bytes": min(memory, default=None),
        "gpus": _gpus(root),
        "visible_gpus": os.environ.get(_VISIBLE),
    }


def _control_groups(root: Path) -> Iterator[Path]:
    """Give the folders of this process's control group and of those around it (cgroups(7))."""
    path = _field(root / "proc/self/cgroup", "0:") or "/"
    folder = root / "sys/fs/cgroup"
    for part in ("", *path.strip("/").split("/")):
        folder /= part
        yield folder


def _cpu_share(group: Path) -> float | None:
    words = _text(group / "cpu.max").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _installed_memory(root: Path) -> int | None:
    found = _field(root / "proc/meminfo", "MemTotal")
    return int(found.split()[0]) * _KIB if found else None


def _gpus(root: Path) -> list[dict[str, str | None]]:
    found = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    if found:
        return [{"name": _field(file, "Model"), "uuid": _field(file, "GPU UUID")} for file in found]
    # Some containers have the devices only; WSL has a device of another name.
    if any((root / "dev" / name).exists() for name in ("nvidiactl", "dxg")):
        return _gpus_by_command()
    return []


def _gpus_by_command() -> list[dict[str, str | None]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, *_SMI_QUERY], capture_output=True, text=True, check=True, timeout=_SMI_S
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.rpartition(", ") for line in done.stdout.splitlines() if line)
    return [{"name": name, "uuid": uuid} for name, _, uuid in rows]


def _field(file: Path, name: str) -> str | None:
    """Return what stands behind the name and a colon, on the first line that begins so."""
    for line in _text(file).splitlines():
        if line.startswith(name):
            return line[len(name) :].partition(":")[2].strip() or None
    return None


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""
