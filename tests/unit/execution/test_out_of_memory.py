# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Lack of memory is recognised by what frameworks raise and by what the kernel counts."""

import errno
from pathlib import Path

import numpy as np
import pytest

from deepaas.execution.out_of_memory import KillCounts, count_kills, explain_kill, shortage


def made(module: str, name: str, text: str, base: type[Exception] = Exception) -> Exception:
    """Return an exception of a class as another package has it."""
    exc: Exception = type(name, (base,), {"__module__": module})(text)
    return exc


def caused(by: Exception, *, hidden: bool = False) -> Exception:
    """Return what a model makes of an exception."""
    try:
        try:
            raise by
        except Exception:
            if hidden:
                raise RuntimeError("the training failed") from None
            raise RuntimeError("the training failed")  # noqa: B904 - as models do
    except RuntimeError as exc:
        return exc


def of_numpy() -> Exception:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**55)
    return caught.value


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (MemoryError(), "Out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Out of memory"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate"
                " memory: you tried to allocate 4000 bytes."
            ),
            "Out of memory",
        ),
        (of_numpy(), "Out of memory"),
        (made("torch", "OutOfMemoryError", "tried to allocate"), "Out of GPU memory"),
        (made("torch.cuda", "OutOfMemoryError", "", RuntimeError), "Out of GPU memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "Out of GPU memory"),
        (RuntimeError("CUDA error: out of memory"), "Out of GPU memory"),
        (
            made(
                "tensorflow.python.framework.errors_impl",
                "ResourceExhaustedError",
                "OOM when allocating tensor on /job:localhost/device:GPU:0 by allocator GPU_0_bfc",
            ),
            "Out of GPU memory",
        ),
        (
            made(
                "tensorflow.python.framework.errors_impl",
                "ResourceExhaustedError",
                "OOM when allocating tensor by allocator cpu",
            ),
            "Out of memory",
        ),
        (
            made("jaxlib.xla_extension", "XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory"),
            "Out of GPU memory",
        ),
        (caused(MemoryError()), "Out of memory"),
        (caused(MemoryError(), hidden=True), None),
        (made("my.module", "OutOfMemoryError", "of some other kind"), None),
        (ValueError("boom"), None),
        (Unspeakable(), None),
    ],
)
def test_what_an_exception_says_of_memory(exc: BaseException, words: str | None) -> None:
    assert shortage(exc) == words


def test_exceptions_in_a_circle_end() -> None:
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    assert shortage(one) is None


@pytest.mark.parametrize(
    ("kills", "words"),
    [
        (KillCounts(1, 1), "it ran out of memory, more than the container"),
        (KillCounts(1, None), "it ran out of memory, more than the container"),
        (KillCounts(0, 1), "most likely it ran out of memory"),
        (KillCounts(None, 1), "most likely it ran out of memory"),
        (KillCounts(None, None), "the kernel does this when memory runs out"),
        (KillCounts(0, 0), "not for lack of memory, says the kernel"),
    ],
)
def test_a_kill_is_explained(kills: KillCounts, words: str) -> None:
    assert explain_kill(kills).startswith(words)


def test_counts_are_compared() -> None:
    assert KillCounts(3, None).since(KillCounts(1, 5)) == KillCounts(2, None)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path / "proc"


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    (tmp_path / "groups").mkdir()
    return tmp_path / "groups"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("place", ["a/b/memory.events", "memory.events"])
def test_version_2_of_control_groups(proc: Path, groups: Path, place: str) -> None:
    """Also where a container sees its own group as the root."""
    put(proc / "self/cgroup", "0::/a/b\n")
    put(groups / place, "low 0\noom 4\noom_kill 3\noom_group_kill 0\n")
    put(proc / "vmstat", "nr_free 5\noom_kill 9\n")
    assert count_kills(proc, groups) == KillCounts(3, 9)


def test_version_1_of_control_groups(proc: Path, groups: Path) -> None:
    put(proc / "self/cgroup", "3:cpu:/x\n4:hugetlb,memory:/a\n0::/a\n")
    put(groups / "memory/a/memory.oom_control", "oom_kill_disable 0\noom_kill 2\n")
    assert count_kills(proc, groups) == KillCounts(2, None)


def test_a_kernel_that_does_not_say(proc: Path, groups: Path) -> None:
    assert count_kills(proc, groups) == KillCounts(None, None)
    put(proc / "self/cgroup", "0::/a\n")
    put(groups / "a/memory.events", "low 0\n")
    assert count_kills(proc, groups) == KillCounts(None, None)


def test_this_machine_can_be_asked() -> None:
    before = count_kills()
    after = count_kills()
    assert all(more is None or more >= 0 for more in after.since(before))
