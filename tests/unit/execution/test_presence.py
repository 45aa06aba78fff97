# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Servers on one state directory know of each other, however they end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepaas.execution.presence import ServerPresence
from tests.unit.parts import open_fds

SERVER = """
import os, sys
from pathlib import Path
from deepaas.execution.presence import ServerPresence
presence = ServerPresence(Path(sys.argv[1]))
print(presence.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[ServerPresence]:
    """Lend a server's presence; it leaves no descriptor and no file."""
    before = open_fds()
    presence = ServerPresence(tmp_path / "a" / "servers")
    yield presence
    presence.close()
    assert open_fds() == before
    assert os.listdir(tmp_path / "a" / "servers") == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "servers").touch()
    with pytest.raises(OSError, match="exists"):
        ServerPresence(tmp_path / "servers")


@pytest.mark.parametrize("server", [None, "0" * 32])
def test_who_was_never_here_is_not_alive(here: ServerPresence, server: str | None) -> None:
    assert not here.is_alive(server)


def test_two_servers_of_one_process_are_two(here: ServerPresence, tmp_path: Path) -> None:
    other = ServerPresence(tmp_path / "a" / "servers")
    assert here.id != other.id
    assert here.is_alive(here.id)
    assert here.is_alive(other.id)
    assert here.is_alive(other.id)  # asking does no harm
    assert other.is_alive(here.id)
    other.close()
    assert not here.is_alive(other.id)


def test_a_server_that_is_killed_is_gone_and_its_file_too(
    here: ServerPresence, tmp_path: Path
) -> None:
    folder = tmp_path / "a" / "servers"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    name = server.stdout.readline().strip()
    assert here.is_alive(name)
    server.kill()
    server.communicate()
    assert len(os.listdir(folder)) == 2
    ServerPresence(folder).close()  # a server that starts cleans up
    assert os.listdir(folder) == [f"{here.id}.lock"]
    assert not here.is_alive(name)
    assert len(os.listdir(folder)) == 1
    assert not here.is_alive(name)


def test_the_folder_belongs_to_its_user_alone(here: ServerPresence, tmp_path: Path) -> None:
    assert (tmp_path / "a" / "servers").stat().st_mode & 0o777 == 0o700


def test_a_server_can_leave_although_its_file_was_removed(tmp_path: Path) -> None:
    presence = ServerPresence(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    presence.close()
