# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run an image by udocker, without Docker and without being root, to check the service in it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.images.verdicts import shown
from deepaas.project import API_PORT

_ENDS_S = 10
_LOADS_S = 1800


@contextmanager
def running(reference: str, archive: Path | None) -> Iterator[str]:
    """Run an image as it starts by itself, and give the address of its service.

    Args:
        reference: In a registry, if it is in no archive.
        archive: Of OCI.

    Raises:
        ConfigurationError: udocker is not there or fails, or something else has the port.
    """
    program = shutil.which("udocker")
    if program is None:
        raise ConfigurationError("--run needs udocker: pip install udocker, then udocker install.")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", API_PORT)) == 0:
            raise ConfigurationError(f"Port {API_PORT} is taken; the image's service needs it.")
    name = f"deepaas-check-{uuid.uuid4().hex[:12]}"
    asks = [program, *(["--allow-root"] if os.getuid() == 0 else [])]
    image = _pull(asks, reference) if archive is None else _load(asks, archive, name)
    try:
        _do([*asks, "create", f"--name={name}", image])
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [*asks, "run", name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield f"http://127.0.0.1:{API_PORT}"
            finally:
                _end(process)
    finally:
        subprocess.run([*asks, "rm", "-f", name], capture_output=True, check=False)
        if archive is not None:
            subprocess.run([*asks, "rmi", "-f", image], capture_output=True, check=False)


def _pull(asks: list[str], reference: str) -> str:
    _do([*asks, "pull", reference])
    return reference


def _load(asks: list[str], archive: Path, name: str) -> str:
    """Return the image of an archive, which keeps its tag under the name that it is given."""
    _do([*asks, "load", "-i", str(archive), name])
    found = [word for word in _do([*asks, "images"]).split() if word.startswith(f"{name}:")]
    if not found:
        raise ConfigurationError(
            f"udocker finds no image in '{archive}'; it reads archives of OCI (oci-archive:)."
        )
    return found[0]


def _do(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LOADS_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ConfigurationError(f"udocker takes longer than {_LOADS_S} s.") from exc
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ConfigurationError(f"udocker fails: {shown(' '.join(last) or 'it gives no reason')}")
    return done.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what udocker has started, all of it.

    The first process of a container does not hear SIGTERM unless it asks for it, and outlives runc.
    """
    with ExitStack() as stack:
        started = [
            fd for pid in _descendants(process.pid) if (fd := _handle(pid, stack)) is not None
        ]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_S)
        for fd in started:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        process.kill()
        process.wait()


def _handle(pid: int, stack: ExitStack) -> int | None:
    """Return what means this process alone, also when its number belongs to another one."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, fd)
    return fd


def _descendants(pid: int) -> list[int]:
    """Return the processes below one, those of containers among them."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # proc(5): the name in parentheses may hold anything; the parent is second behind it.
            parent = path.read_text(errors="replace").rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(path.parent.name))
    found = list(children.get(pid, ()))
    for each in found:
        found += children.get(each, ())
    return found
