# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The processes of deployments: started by exec, found again, and ended with all they started."""

import asyncio
import hashlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from deepaas.orchestrator.local.records import CannotDeploy, Program, Running

#: In the environment of every process of a deployment, also of those that left its group.
MARK: Final = "DEEPAAS_DEPLOYMENT"
#: Of the orchestrator's own; nothing that it starts signs in with them.
_SECRETS: Final = ("ORCHESTRATOR_TOKEN", "ORCHESTRATOR_TOKEN_FILE", "DEEPAAS_TOKEN")
_LOOPBACK: Final = "127.0.0.1"
#: Where addresses of deployments begin that need a port of their own choice: all of 127/8 is ours.
_FIRST_ADDRESS: Final = IPv4Address("127.0.1.1")
_MOST_ADDRESSES: Final = 1000
_POLL_S: Final = 0.05


def place_for(program: Program) -> tuple[str, int]:
    """Return a loopback address and a port that are free for a program now.

    Raises:
        CannotDeploy: The port that it needs is free on none.
    """
    if not program.has_address:
        with socket.socket() as probe:
            probe.bind((_LOOPBACK, 0))
            return _LOOPBACK, probe.getsockname()[1]
    for number in range(_MOST_ADDRESSES):
        address = str(_FIRST_ADDRESS + number)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, program.port))
            return address, program.port
    raise CannotDeploy(f"No loopback address has port {program.port} free for {program.node!r}.")


async def start(
    program: Program, uuid: str, folder: Path, place: tuple[str, int]
) -> tuple[Running, asyncio.subprocess.Process]:
    """Start a program; what it prints is added to the deployment's log.

    Args:
        program: What to start.
        uuid: Of the deployment.
        folder: Of the deployment; the program runs in it, and keeps its state there.
        place: Address and port to listen on.

    Raises:
        CannotDeploy: The system starts no further process.
    """
    address, port = place
    argv = list(program.argv)
    if not program.is_job:
        argv += [f"--listen-ip={address}", f"--listen-port={port}"]
        # A node may be called anything.
        name = hashlib.sha256(program.node.encode()).hexdigest()[:16]
        argv += [f"--state-dir={folder / f'state-{name}'}"]
    with _log_of(folder, program) as log_fd:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                env=environment_for(uuid, program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                start_new_session=True,
            )
        except OSError as exc:
            raise CannotDeploy(f"{program.node!r} cannot be started: {exc.strerror}.") from exc
    return Running(program.node, process.pid, _started(process.pid), address, port), process


@contextmanager
def _log_of(folder: Path, program: Program) -> Iterator[int]:
    """Give the log of a deployment to write at its end, notes on the program in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in program.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        for note in program.notes:
            os.write(fd, f"{program.node}: {note}\n".encode())
        yield fd
    finally:
        os.close(fd)


def environment_for(uuid: str, added: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of a deployment."""
    own = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return {**own, **added, MARK: uuid}


def is_alive(running: Running) -> bool:
    """Whether the very process that was started is still there."""
    return running.started != "" and _started(running.pid) == running.started


def _started(pid: int) -> str:
    """Return when a process began, empty if it is gone, or only waits to be reaped."""
    try:
        # The name, field 2, may hold blanks and brackets; the start time is field 22.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


async def ended(running: Running) -> None:
    """Wait for the end of a process that another orchestrator started."""
    try:
        fd = os.pidfd_open(running.pid)
    except OSError:
        return  # gone already
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        # The number may have been given to another process before it was opened.
        if is_alive(running):
            loop.add_reader(fd, gone.set)
            await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def stop(uuid: str, grace_s: float) -> None:
    """End every process of a deployment: first in order, then at once.

    Args:
        uuid: Of the deployment.
        grace_s: How long they may take to end by themselves.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + grace_s
    told: set[int] = set()
    left = processes_of(uuid)
    while left:
        is_late = clock() > deadline
        # Leaders first: they end what they have started in their own way.
        leaders = [pid for pid in left if _leads(pid)]
        for pid in left if is_late else {*(leaders or left)} - told:
            told.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        # No event tells of the end of processes that are not our children.
        await asyncio.sleep(_POLL_S)
        left = processes_of(uuid)


def _leads(pid: int) -> bool:
    """Whether a process leads a session, as each that was started here does."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def processes_of(uuid: str) -> list[int]:
    """Return the processes of a deployment that have not ended, wherever they hang now."""
    entry = f"{MARK}={uuid}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if entry in (folder / "environ").read_bytes().split(b"\0") and _started(
                pid := int(folder.name)
            ):
                found.append(pid)
    return found


def tail(folder: Path, most_bytes: int) -> str:
    """Return the end of a deployment's log, empty if it has none."""
    try:
        with (folder / "log").open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - most_bytes))
            data = log.read()
    except FileNotFoundError:
        return ""
    if size > most_bytes:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace")
