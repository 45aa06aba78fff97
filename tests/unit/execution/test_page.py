# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The page tells the server what a worker ran, also after the worker's death."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deepaas.execution.page import PAGE_BYTES, CallPage, Running
from tests.unit.parts import open_fds

WORKER = """
import os, signal, sys
from deepaas.execution.page import CallPage
page = CallPage(int(sys.argv[1]))
page.set_receiving(True)
page.begin(2**40, 12.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def fd() -> Iterator[int]:
    """Lend an empty page's descriptor."""
    before = open_fds()
    fd = CallPage.create()
    yield fd
    os.close(fd)
    assert open_fds() == before


def test_a_note_outlives_the_worker(fd: int) -> None:
    worker = subprocess.run([sys.executable, "-c", WORKER, str(fd)], pass_fds=[fd], check=False)
    assert worker.returncode == -signal.SIGKILL
    page = CallPage(fd)
    assert page.running == Running(2**40, 12.5)
    assert page.is_receiving
    page.close()


def test_a_new_page_says_nothing(fd: int) -> None:
    page = CallPage(fd)
    assert page.running is None
    assert not page.is_receiving
    assert not page.is_stopping
    page.close()
    assert os.fstat(fd).st_size == PAGE_BYTES
    assert not os.get_inheritable(fd)


def test_what_one_side_notes_the_other_reads(fd: int) -> None:
    worker, server = CallPage(fd), CallPage(fd)
    seen = []

    def look() -> None:
        seen.append((server.is_receiving, server.running, worker.is_stopping))

    worker.set_receiving(True)
    look()
    worker.begin(1, 3.5)
    worker.set_receiving(False)
    look()
    worker.begin(2, 4.5)
    look()
    worker.end()
    look()
    server.request_stop()
    look()
    assert seen == [
        (True, None, False),
        (False, Running(call_id=1, started_s=3.5), False),
        (False, Running(call_id=2, started_s=4.5), False),
        (False, None, False),
        (False, None, True),
    ]
    worker.close()
    server.close()


def test_a_page_cannot_be_read_once_it_is_closed(fd: int) -> None:
    page = CallPage(fd)
    page.close()
    with pytest.raises(ValueError, match="closed"):
        _ = page.running
