# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Processes get a free place, are told apart from others of their number, and leave a log."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from deepaas.orchestrator.local import processes
from deepaas.orchestrator.local.members import Member
from deepaas.orchestrator.local.records import CannotDeploy, Program, Running
from tests.unit.orchestrator.paas import eventually

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")


def program(argv: tuple[str, ...] = SLEEP, **members: object) -> Program:
    return Program("app", True, argv, {}, **members)  # type: ignore[arg-type]


def test_an_address_of_its_own_is_one_where_the_port_is_free() -> None:
    asks = program(has_address=True, port=5099)
    first, port = processes.place_for(asks)
    with socket.socket() as taken:
        taken.bind((first, port))
        second = processes.place_for(asks)
    assert (port, second[1]) == (5099, 5099)
    assert first.startswith("127.0.")
    assert second[0] != first


def test_where_no_address_is_free_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_MOST_ADDRESSES", 0)
    with pytest.raises(CannotDeploy, match="No loopback address has port 5000 free for 'app'"):
        processes.place_for(program(has_address=True))


async def test_folders_are_made_before_a_program_starts(tmp_path: Path) -> None:
    asks = program((sys.executable, "-S", "-c", "open('a/b/c', 'w')"), folders=("a/b",))
    _, process = await processes.start(asks, "makes", tmp_path, ("127.0.0.1", 1))
    assert await process.wait() == 0
    assert (tmp_path / "a/b/c").exists()


async def test_a_program_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotDeploy, match="'app' cannot be started: No such file"):
        await processes.start(program(("/nothing",)), "u", tmp_path, ("127.0.0.1", 1))


def test_tokens_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_TOKEN", "secret")
    environment = processes.environment_for("u", {"A": "1", processes.MARK: "forged"})
    assert "ORCHESTRATOR_TOKEN" not in environment
    assert (environment["A"], environment[processes.MARK]) == ("1", "u")


async def test_another_process_of_the_same_number_is_not_taken_for_it() -> None:
    me = Running("app", os.getpid(), "1", "", 0)
    assert not processes.is_alive(me)
    await processes.ended(me)
    await processes.ended(Running("app", 2**22 + 1, "1", "", 0))


async def test_the_end_of_another_ones_process_is_seen(tmp_path: Path) -> None:
    running, process = await processes.start(program(), "seen", tmp_path, ("127.0.0.1", 1))
    member = Member(program(), "seen", tmp_path, running)
    ending = asyncio.create_task(member.wait_end())
    assert processes.is_alive(running)
    process.send_signal(signal.SIGKILL)
    assert await ending is None
    await process.wait()
    assert not processes.is_alive(running)


async def test_what_left_its_parents_session_is_ended_too(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "for leaves in (True, False):\n"
        "    subprocess.Popen([sys.executable, '-S', '-c', 'import time; print(1, flush=True);"
        " time.sleep(600)'], start_new_session=leaves)\n"
        "time.sleep(600)"
    )
    argv = (sys.executable, "-S", "-c", code)
    _, process = await processes.start(program(argv), "fled", tmp_path, ("127.0.0.1", 1))

    async def has_fled() -> bool:
        return processes.tail(tmp_path, 100) == "1\n1\n"

    await eventually(has_fled)
    await processes.stop("fled", 600)
    assert processes.processes_of("fled") == []
    await process.wait()


async def test_who_is_gone_meanwhile_is_not_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [[2**22 + 1], []]
    monkeypatch.setattr(processes, "processes_of", lambda uuid: looks.pop(0))
    await processes.stop("gone", 600)
    assert looks == []


def test_the_tail_of_a_log_begins_with_a_line(tmp_path: Path) -> None:
    assert processes.tail(tmp_path, 10) == ""
    (tmp_path / "log").write_bytes(b"first\nsecond\n\xff\n")
    assert processes.tail(tmp_path, 100) == "first\nsecond\n\ufffd\n"
    assert processes.tail(tmp_path, 8) == "\ufffd\n"
