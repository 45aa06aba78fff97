# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The page tells the server what a worker ran, also after the worker's death."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deepaas.execution.page import MAX_SLOTS, PAGE_BYTES, CallPage, Running
from deepaas.records import MAX_AT_ONCE
from tests.unit.parts import ROOT, open_fds

WORKER = """
import os, signal, sys
from deepaas.execution.page import CallPage
page = CallPage(int(sys.argv[1]))
page.set_receiving(True)
page.begin(2**40, 12.5)
page.begin(2**41, 13.5, 1023)
os.kill(os.getpid(), signal.SIGKILL)
"""

#: Eight equal bytes, which all differ from those of the number before.
BUSY = """
import sys
from deepaas.execution.page import CallPage
page = CallPage(int(sys.argv[1]))
print("begun", flush=True)
for number in range(200_000):
    value = (number % 127 + 1) * 0x0101010101010101
    page.begin(value, 1.0, 2)
    page.set_passed_on(2, value)
    page.end(2)
"""


@pytest.fixture
def fd() -> Iterator[int]:
    """Lend an empty page's descriptor."""
    before = open_fds()
    fd = CallPage.create()
    yield fd
    os.close(fd)
    assert open_fds() == before


@pytest.fixture
def page(fd: int) -> Iterator[CallPage]:
    """Lend an empty page."""
    page = CallPage(fd)
    yield page
    page.close()


def test_a_note_outlives_the_worker(fd: int) -> None:
    worker = subprocess.run([sys.executable, "-c", WORKER, str(fd)], pass_fds=[fd], check=False)
    assert worker.returncode == -signal.SIGKILL
    page = CallPage(fd)
    assert page.running == [Running(2**40, 12.5), Running(2**41, 13.5, 1023)]
    assert page.is_receiving
    page.close()


def test_a_new_page_says_nothing(fd: int, page: CallPage) -> None:
    assert page.running == []
    assert not page.is_receiving
    assert not page.is_stopping
    assert not page.is_cancelled(0, 1)
    assert page.ring.take() is None
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
    worker.begin(2, 4.5, 300)
    look()
    worker.end()
    look()
    server.request_stop()
    worker.end(300)
    look()
    assert seen == [
        (True, [], False),
        (False, [Running(1, 3.5)], False),
        (False, [Running(1, 3.5), Running(2, 4.5, 300)], False),
        (False, [Running(2, 4.5, 300)], False),
        (False, [], True),
    ]
    worker.close()
    server.close()


def test_every_slot_has_a_place_of_its_own(page: CallPage) -> None:
    for slot in range(MAX_SLOTS):
        page.begin(slot + 1, slot / 2, slot)
        page.set_passed_on(slot, 2**40 + slot)
        page.cancel(slot, 10**6 + slot)
    assert page.running == [Running(slot + 1, slot / 2, slot) for slot in range(MAX_SLOTS)]
    for slot in range(MAX_SLOTS):
        assert page.passed_on(slot) == 2**40 + slot
        assert page.is_cancelled(slot, 10**6 + slot)
        assert not page.is_cancelled(slot, slot + 1)
    assert not page.ring.has_unread
    assert not page.is_receiving
    assert not page.is_stopping


def test_there_is_a_slot_for_every_call_that_a_model_may_ask_for() -> None:
    assert MAX_SLOTS >= MAX_AT_ONCE


def test_no_number_is_seen_half_written(fd: int, page: CallPage) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, str(fd)], pass_fds=[fd], stdout=subprocess.PIPE, cwd=ROOT
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"begun\n"
        while worker.poll() is None:
            for number in (*(call.call_id for call in page.running), page.passed_on(2)):
                assert number % 0x0101010101010101 == 0, hex(number)
    assert worker.returncode == 0


def test_a_page_cannot_be_read_once_it_is_closed(fd: int) -> None:
    page = CallPage(fd)
    page.close()
    page.close()
    with pytest.raises(ValueError, match="released"):
        _ = page.running
