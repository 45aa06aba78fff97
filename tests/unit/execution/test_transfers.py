# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A transfer is a process, whose end is told, and which ends with who waits for it."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from deepaas.execution.transfers import _end, _read, run_transfer
from tests.shares import silent
from tests.unit.parts import PATIENCE_S, until


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Describe a folder that stands for a remote, and a host that says nothing."""
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("RCLONE_CONFIG_HERE_TYPE", "local")


async def test_it_tells_its_end(tmp_path: Path) -> None:
    (tmp_path / "-from").mkdir()
    (tmp_path / "-from" / "a").write_text("four")
    end = await run_transfer("pull", f"here:{tmp_path}/-from", str(tmp_path / "to"))
    assert (end.is_done, end.files, end.bytes) == (True, 1, 4)
    assert (tmp_path / "to" / "a").read_text() == "four"
    (tmp_path / "to" / "a").unlink()
    (tmp_path / "to" / "a").mkdir()
    end = await run_transfer("pull", f"here:{tmp_path}/-from", str(tmp_path / "to"))
    assert not end.is_done
    assert end.may_pass
    assert "Is a directory" in end.message


def waiting(port: int) -> list[psutil.Process]:
    """Return the processes of a transfer, once one of them waits for an answer from there."""
    processes = psutil.Process().children(recursive=True)
    for process in processes:
        try:
            if any(getattr(each.raddr, "port", 0) == port for each in process.net_connections()):
                return processes
        except psutil.Error:
            continue  # it ended
    return []


async def test_it_ends_with_who_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent() as port:
        monkeypatch.setenv("RCLONE_CONFIG_FAR_TYPE", "webdav")
        monkeypatch.setenv("RCLONE_CONFIG_FAR_URL", f"http://127.0.0.1:{port}/")
        task = asyncio.create_task(run_transfer("pull", "far:x", str(tmp_path / "to")))
        await until(lambda: bool(waiting(port)))
        processes = waiting(port)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    assert alive == []


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w')"
    program = (sys.executable, "-c", f"{script}; time.sleep(600)")
    process = await asyncio.create_subprocess_exec(*program)
    await until(ready.exists)
    await _end(process, leaves_s=0.01)
    assert process.returncode == -signal.SIGKILL
    await _end(process)


@pytest.mark.parametrize(
    ("status", "said", "errors", "message", "may_pass"),
    [
        (2, b"", b"usage: \ndeepaas storage: no location\n", "deepaas storage: no location", False),
        (-9, b"", b"", "it ended with status -9 and said nothing", True),
        (1, b'{"error": "refused"}', b"", "refused", True),
        (1, b'{"failed": {"a": "Broken."}, "missing": []}', b"", "Broken.", True),
        (
            1,
            b'{"failed": {"a": "Broken."}, "missing": ["b", "c"]}',
            b"",
            "Broken. 2 more files are missing.",
            True,
        ),
    ],
)
def test_a_failure_has_its_reason(
    status: int, said: bytes, errors: bytes, message: str, may_pass: bool
) -> None:
    end = _read(status, said, errors)
    assert not end.is_done
    assert (end.message, end.may_pass) == (message, may_pass)
