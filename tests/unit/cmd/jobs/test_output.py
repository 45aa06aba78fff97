# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The output may be closed, full, a terminal, or of another encoding."""

import io
import os
import pty
import sys
import tty
from pathlib import Path

import pytest

from deepaas.cmd.jobs.output import LogOutput, take_any_character, tell
from tests.unit.cmd.jobs.scene import always, answering

ID = "0" * 31 + "1"
JOB = {"id": ID, "state": "done", "model": "→ü"}
LOG = "\x1b]0;title\x07→ one\r\n"
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("argv", [["show", ID], ["show", ID, "--json"], ["log", ID]])
async def test_a_full_disk_is_one_line(
    capsys: Capture, monkeypatch: Patch, argv: list[str]
) -> None:
    async with answering(capsys, {ID: always(JOB), f"{ID}/log": always(LOG)}) as run:
        with open("/dev/full", "w") as full, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            assert await run(*argv) == 2
        assert run.err == (
            "deepaas jobs: standard output cannot be written: No space left on device.\n"
        )


async def test_a_reader_that_is_gone_is_told_nothing(capsys: Capture, monkeypatch: Patch) -> None:
    unread, written = os.pipe()
    os.close(unread)
    async with answering(capsys, {ID: always(JOB)}) as run:
        with open(written, "w") as pipe, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", pipe)
            assert await run("show", ID) == 1
        assert run.err == ""


async def test_without_standard_output_nothing_is_asked(
    capsys: Capture, monkeypatch: Patch
) -> None:
    async with answering(capsys, {}) as run:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", None)
            assert await run("cancel", ID) == 2
        assert run.err == "deepaas jobs: standard output is closed.\n"


async def test_what_an_encoding_lacks_is_escaped(capsys: Capture, monkeypatch: Patch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    async with answering(capsys, {ID: always(JOB)}) as run:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            assert await run("show", ID) == 0
    out.seek(0)
    assert "model:     \\u2192\\xfc\n" in out.read()


def test_what_cannot_be_told_is_not(monkeypatch: Patch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        tell("lost")
    monkeypatch.setattr(sys, "stderr", None)
    take_any_character()
    tell("lost")


def write_log(stream: io.TextIOWrapper, monkeypatch: Patch) -> None:
    """Write a log that comes byte by byte."""
    monkeypatch.setattr(sys, "stdout", stream)
    output = LogOutput()
    for byte in LOG.encode():
        output.write(bytes([byte]))


def test_to_a_file_a_log_goes_as_it_is(tmp_path: Path, monkeypatch: Patch) -> None:
    with (tmp_path / "log").open("w", encoding="ascii") as file:
        write_log(file, monkeypatch)
    assert (tmp_path / "log").read_bytes() == LOG.encode()


def test_to_a_terminal_a_log_goes_without_what_steers_it(monkeypatch: Patch) -> None:
    ours, theirs = pty.openpty()
    # Its end is open as long as what it was given is to be read.
    with open(ours, "rb", buffering=0) as shown, open(theirs, "w", newline="") as terminal:
        tty.setraw(theirs)
        write_log(terminal, monkeypatch)
        monkeypatch.undo()
        seen = b""
        while not seen.endswith(b"\n"):
            seen += shown.read(4096)
        assert seen.decode() == "]0;title→ one\r\n"
