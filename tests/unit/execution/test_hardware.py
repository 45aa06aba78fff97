# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a machine tells of itself, also one that is not this one."""

import os
from pathlib import Path

import pytest

from deepaas.execution.hardware import hardware

GPU = """Model: \t\t NVIDIA H100 80GB HBM3
IRQ:   \t\t 120
GPU UUID: \t GPU-5f0c
"""
SMI = "#!/bin/sh\n{}\n"


def write(root: Path, **files: str) -> None:
    """Write files; two underscores in a name stand for a folder."""
    for name, text in files.items():
        file = root.joinpath(*name.split("__"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_this_machine_has_a_processor_and_memory() -> None:
    found = hardware()
    assert found["cpu"]
    assert 1 <= found["cores"] <= len(os.sched_getaffinity(0))
    assert found["memory_bytes"] > 2**20
    assert isinstance(found["gpus"], list)


def test_a_machine_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = hardware(tmp_path)
    assert found == {
        "cpu": os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": None,
        "gpus": [],
        "visible_gpus": None,
    }


@pytest.mark.parametrize(
    ("group", "quota", "cores"),
    [("/", "50000 100000", 1), ("/pod/box", "50000 100000", 1), ("/pod", "max 100000", None)],
)
def test_the_limits_of_a_container_count(
    tmp_path: Path, group: str, quota: str, cores: int | None
) -> None:
    write(
        tmp_path,
        proc__cpuinfo="processor\t: 0\nmodel name\t: Some CPU\nmodel name\t: Some CPU\n",
        proc__meminfo="MemTotal:       1024 kB\nMemFree: 1 kB\n",
        proc__self__cgroup=f"1:cpu:/x\n0::{group}\n",
    )
    folder = tmp_path / "sys/fs/cgroup" / group.strip("/")
    folder.mkdir(parents=True)
    (folder / "cpu.max").write_text(quota)
    (folder / "memory.max").write_text("4096\n")
    found = hardware(tmp_path)
    assert found["cpu"] == "Some CPU"
    assert found["cores"] == (cores or len(os.sched_getaffinity(0)))
    assert found["memory_bytes"] == 4096
    (folder / "memory.max").write_text("max\n")
    assert hardware(tmp_path)["memory_bytes"] == 2**20


def test_gpus_are_known_by_the_drivers_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for number in range(2):
        folder = tmp_path / f"proc/driver/nvidia/gpus/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(GPU)
    found = hardware(tmp_path)
    assert found["gpus"] == [{"name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-5f0c"}] * 2
    assert found["visible_gpus"] == "1"


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        (
            "echo 'NVIDIA H100, PCIe, GPU-1'; echo 'Tesla T4, GPU-2'",
            [{"name": "NVIDIA H100, PCIe", "uuid": "GPU-1"}, {"name": "Tesla T4", "uuid": "GPU-2"}],
        ),
        ("echo 'No devices were found'; exit 6", []),
        (None, []),
    ],
)
def test_where_there_are_only_devices_the_command_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, gpus: list[object]
) -> None:
    """A program of that name stands for NVIDIA's, which needs a GPU."""
    write(tmp_path, dev__nvidiactl="")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if script is not None:
        write(tmp_path, **{"bin__nvidia-smi": SMI.format(script)})
        (tmp_path / "bin/nvidia-smi").chmod(0o755)
    assert hardware(tmp_path)["gpus"] == gpus
