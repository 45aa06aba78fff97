# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The check for leftovers finds what it is there to find."""

import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from tests import leftovers

SESSION = b"DEEPAAS_TEST_SESSION="


@pytest.mark.parametrize(
    ("environ", "command", "ours"),
    [
        (SESSION + b"me", b"python\0-m\0anything", True),
        (SESSION + b"other\0DEEPAAS_PROCESS=guard", b"python\0-m\0deepaas.execution.guard", False),
        (b"PATH=/bin\0DEEPAAS_PROCESS=worker", b"python", True),
        (b"PATH=/bin", b"python\0-P\0-m\0deepaas.execution.worker", True),
        (b"PATH=/bin", b"python\0-m\0http.server", False),
    ],
)
def test_a_process_is_known_by_session_or_marker(
    environ: bytes, command: bytes, *, ours: bool
) -> None:
    assert leftovers.is_ours(environ, command, "me") is ours


def test_a_process_left_running_is_found_and_ended() -> None:
    session = uuid.uuid4().hex
    before = leftovers.take(session)
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=os.environ | {leftovers.SESSION: session},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        left = leftovers.wait_for_none(before, session, patience_s=0)
        # Others may start a server by hand meanwhile, and that counts for everyone.
        assert child.pid in {pid for pid, _, _ in left.processes}
        leftovers.kill(left, "another")
        assert child.poll() is None
        leftovers.kill(left, session)
        assert child.wait() == -9
        assert child.pid not in {pid for pid, _, _ in leftovers.take(session).processes}


def test_a_temporary_file_is_found() -> None:
    session = uuid.uuid4().hex
    before = leftovers.take(session)
    with tempfile.NamedTemporaryFile(prefix="deepaas-") as file:
        left = leftovers.wait_for_none(before, session, patience_s=0)
        assert file.name in left.files
        assert f"temporary file {file.name}" in left.lines()
        left = leftovers.wait_for_none(before, session, but=[file.name], patience_s=0)
        assert file.name not in left.files


def test_a_run_that_leaves_something_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaves.py").write_text(
        "import tempfile\n"
        "def test_leaves():\n"
        f"    tempfile.mkdtemp(prefix='deepaas-', dir={str(tmp_path)!r})\n"
    )
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            f"--rootdir={tmp_path}",
            tmp_path,
        ],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in finished.stdout
    assert "left behind by the tests" in finished.stdout
    assert finished.returncode == 1
