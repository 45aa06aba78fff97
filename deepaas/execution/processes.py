# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Start a child process from a guard, and end everything that it started.

Standard library only; Linux (subreaper, pidfd, ``/proc``). Guards have one thread, so ``fork`` is
safe in them, and the parent-death signal, which fires when the spawning *thread* ends, fires at the
right time (prctl(2), PR_SET_PDEATHSIG).
"""

import ctypes
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

#: Every child carries this variable; what it starts inherits it, so that it can be found again
#: even after it has left the process group and the session.
MARKER = "DEEPAAS_PROCESS"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SPARE_FD = 100
_KILL_ROUNDS = 200
_KILL_PAUSE_S = 0.005
#: In the command line of the process in which multiprocessing, or joblib in its way, removes the
#: semaphores, shared memory and folders of processes that cannot do it themselves any more.
_TRACKER = b"resource_tracker import main"
#: What it gets to do so; it ends by itself once all that it works for are gone.
_TRACKER_S = 0.8


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def become_subreaper() -> None:
    """Let orphans below this process become its children instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    fds: Sequence[int] = (),
    output_fd: int | None = None,
) -> int:
    """Start a program in a session of its own and return its pid.

    Args:
        argv: Program (absolute path) and its arguments.
        environment: Added to the environment of this process.
        fds: Become 3, 4, 5 … in the child.
        output_fd: Becomes its standard output and error; both inherited if ``None``. Standard
            input is always empty.

    Raises:
        OSError: The program cannot be started.
    """
    report_read, report_write = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _prepare_child(parent, fds, output_fd)
            os.execve(argv[0], list(argv), {**os.environ, **environment})
        except OSError as exc:
            os.write(report_write, str(exc.errno or 0).encode())
        finally:
            os._exit(127)
    os.close(report_write)
    error = os.read(report_read, 16)  # empty at once when exec closed the other end
    os.close(report_read)
    if error:
        os.waitpid(pid, 0)
        raise OSError(int(error), os.strerror(int(error)), argv[0])
    return pid


def _prepare_child(parent: int, fds: Sequence[int], output_fd: int | None) -> None:
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(127)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    empty = os.open(os.devnull, os.O_RDONLY)
    # Moved out of the way first: a source may sit on a number that is a target.
    spare = [os.dup2(fd, _SPARE_FD + i, inheritable=False) for i, fd in enumerate(fds)]
    os.dup2(empty, 0)
    if output_fd is not None:
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)
    for i, fd in enumerate(spare):
        os.dup2(fd, 3 + i)


def exit_status(wait_status: int) -> int:
    """Return the exit status, or the negative signal number, of a ``waitpid`` status."""
    return os.waitstatus_to_exitcode(wait_status)


def reap() -> list[tuple[int, int]]:
    """Collect every child that has ended: ``(pid, exit status or negative signal)``."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, exit_status(status)))


class _Place(NamedTuple):
    parent: int
    group: int


def _living() -> dict[int, _Place]:
    """Return every living process by its pid."""
    living = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may itself contain spaces and parentheses.
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        if state not in (b"Z", b"X"):
            living[int(name)] = _Place(int(parent), int(group))
    return living


def _is_tracker(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return _TRACKER in file.read()
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_group(leader: int, number: int) -> None:
    """Signal the process group that ``leader`` leads; nothing happens if it is gone.

    Resource trackers are left to :func:`kill_all`: they have to do when the others are dead.
    """
    for pid, place in _living().items():
        if place.group == leader and not _is_tracker(pid):
            _signal(pid, number)


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger (proc(5), states ``T`` and ``t``)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except OSError:
        return False


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def _has_marker(pid: int, entry: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return entry in file.read().split(b"\0")
    except OSError:
        return False


def marked(marker: str) -> list[int]:
    """Return the living processes that carry the marker."""
    entry = f"{MARKER}={marker}".encode()
    return [pid for pid in _living() if _has_marker(pid, entry)]


def descendants() -> list[int]:
    """Return the living processes below this one."""
    living = _living()
    found: set[int] = set()
    layer = {os.getpid()}
    while layer:
        layer = {pid for pid in living.keys() - found if living[pid].parent in layer}
        found |= layer
    return sorted(found)


def signal_descendants(number: int) -> bool:
    """Signal every living process below this one; false if there is none."""
    found = descendants()
    for pid in found:
        _signal(pid, number)
    return bool(found)


def kill_all(marker: str | None = None) -> None:
    """Kill until nothing is left: what carries the marker, or everything below this process.

    One round is not enough, since a process may fork between being listed and being killed, and a
    resource tracker is first given the time to remove what the others have left.
    """
    spared_until = time.monotonic() + _TRACKER_S
    for _ in range(_KILL_ROUNDS):
        left = marked(marker) if marker is not None else descendants()
        left = [pid for pid in left if pid != os.getpid()]
        if not left:
            return
        is_sparing = time.monotonic() < spared_until
        for pid in left:
            if not (is_sparing and _is_tracker(pid)):
                _signal(pid, signal.SIGKILL)
        time.sleep(_KILL_PAUSE_S)


def wakeup_pipe() -> int:
    """Return a descriptor that becomes readable when a child ends or a signal arrives."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return read


def drain(fd: int) -> bytes:
    """Read all that a non-blocking descriptor holds."""
    data = b""
    try:
        while chunk := os.read(fd, 4096):
            data += chunk
    except BlockingIOError:
        pass
    return data


def wait_readable(fds: Iterable[int], timeout_s: float | None) -> set[int]:
    """Wait until one of the descriptors is readable or has ended, at most ``timeout_s``."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000)}
