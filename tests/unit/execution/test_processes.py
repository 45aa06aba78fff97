# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Children start clean, and nothing of what they start is left.

What concerns all children of a process runs in a process of its own, apart from pytest's children.
"""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import psutil
import pytest

from deepaas.execution import processes
from tests.unit.parts import is_gone, open_fds, wait_for

PREAMBLE = """
import os, signal, sys, time
from deepaas.execution.processes import *
def fds():
    return len(os.listdir("/proc/self/fd"))
"""
#: Starts a process that leaves the group, the session and its parent, and prints its pid.
DAEMON = [
    sys.executable,
    "-c",
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        os.write(1, b'%d\\n' % os.getpid())\n"
    "        time.sleep(600)\n"
    "    os._exit(0)\n"
    "os.wait()\n",
]


def in_child(script: str, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> str:
    """Run a script in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_program_that_cannot_be_started() -> None:
    printed = in_child(
        """
        before = fds()
        for program in ("/nowhere/program", "/etc"):
            try:
                spawn([program], environment={})
            except OSError as exc:
                print(type(exc).__name__, exc.filename)
        print(fds() - before, reap())
        """
    )
    assert printed.splitlines() == [
        "FileNotFoundError /nowhere/program",
        "PermissionError /etc",
        "0 []",
    ]


def test_a_descriptor_that_cannot_be_handed_over() -> None:
    printed = in_child(
        """
        try:
            spawn(["/bin/true"], environment={}, fds=[99])
        except OSError as exc:
            print(exc.strerror)
        """
    )
    assert printed == "Bad file descriptor"


def test_descriptors_get_their_numbers_whatever_they_were() -> None:
    """Sources that sit on the targets' numbers in another order, too."""
    printed = in_child(
        """
        for fd in range(3, 20):
            try:
                os.close(fd)
            except OSError:
                pass
        files = []
        for text in (b"a", b"b", b"c"):
            fd = os.memfd_create("x")
            os.write(fd, text)
            files.append(fd)
        shell = "for n in 3 4 5; do head -c 1 /proc/self/fd/$n; done; echo `ls /proc/self/fd`"
        pid = spawn(["/bin/sh", "-c", shell], environment={}, fds=[files[1], files[2], files[0]])
        os.waitpid(pid, 0)
        """
    )
    # 6 is the folder that ls reads.
    assert printed == "bca0 1 2 3 4 5 6"


def test_a_child_has_a_session_an_environment_and_an_output_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    shell = "cat; echo $GIVEN $HERE; echo wrong >&2; ps -o pid=,pgid=,sid= $$"
    printed = in_child(
        """
        os.environ["HERE"] = "inherited"
        log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
        shell = ["/bin/sh", "-c", sys.argv[2]]
        pid = spawn(shell, environment={"GIVEN": "added"}, output_fd=log)
        print(pid, exit_status(os.waitpid(pid, 0)[1]))
        """,
        str(log),
        shell,
        stdin=None,
    )
    pid, status = printed.split()
    assert status == "0"
    lines = log.read_text().splitlines()
    assert lines[:2] == ["added inherited", "wrong"]
    assert lines[2].split() == [pid] * 3


def test_a_child_handles_signals_as_usual() -> None:
    """Whatever its parent had made of them."""
    printed = in_child(
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        wakeup_pipe()
        pid = spawn(["/bin/sh", "-c", "kill -TERM $$; sleep 600"], environment={})
        print(exit_status(os.waitpid(pid, 0)[1]))
        """
    )
    assert printed == str(-signal.SIGTERM)


def test_a_child_dies_with_its_parent() -> None:
    printed = in_child(
        """
        pid = os.fork()
        if pid == 0:
            print(spawn(["/bin/sleep", "600"], environment={}), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        """
    )
    wait_for(lambda: is_gone(int(printed)))


def test_reaping_tells_how_each_child_ended() -> None:
    printed = in_child(
        """
        print(reap())
        first = spawn(["/bin/sh", "-c", "exit 3"], environment={})
        second = spawn(["/bin/sleep", "600"], environment={})
        read = wakeup_pipe()
        ended = []
        while len(ended) < 1:
            wait_readable([read], 1.0)
            drain(read)
            ended += reap()
        print(ended == [(first, 3)], reap())
        os.kill(second, signal.SIGKILL)
        while wait_readable([read], 60.0) == set():
            pass
        time.sleep(0)
        ended = []
        while not ended:
            ended = reap()
        print(ended == [(second, -9)], reap())
        """
    )
    assert printed.splitlines() == ["[]", "True []", "True []"]


def test_orphans_below_a_subreaper_become_its_children() -> None:
    printed = in_child(
        """
        become_subreaper()
        read, write = os.pipe()
        pid = spawn(eval(sys.argv[1]), environment={}, output_fd=write)
        os.waitpid(pid, 0)
        daemon = int(os.read(read, 100))
        while open(f"/proc/{daemon}/stat").read().split()[3] != str(os.getpid()):
            time.sleep(0.001)
        print(descendants() == [daemon])
        kill_all()
        print(descendants(), [pid for pid, status in reap()] == [daemon])
        """,
        repr(DAEMON),
    )
    assert printed.splitlines() == ["True", "[] True"]


def test_what_carries_a_marker_is_killed_wherever_it_went() -> None:
    marker = uuid.uuid4().hex
    environment = {**os.environ, processes.MARKER: marker}
    read, write = os.pipe()  # which the daemon keeps open
    subprocess.run(DAEMON, env=environment, stdout=write, check=True)
    os.close(write)
    daemon = int(os.read(read, 100))
    os.close(read)
    other = subprocess.Popen(["sleep", "600"], env={**environment, processes.MARKER: marker + "x"})
    try:
        assert processes.marked(marker) == [daemon]
        processes.kill_all(marker)
        assert processes.marked(marker) == []
        assert is_gone(daemon)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_is_not_there_cannot_be_killed() -> None:
    processes.kill_all(uuid.uuid4().hex)
    child = subprocess.Popen(["true"])
    child.wait()
    processes.kill_group(child.pid, signal.SIGKILL)


def test_a_group_is_signalled_as_a_whole() -> None:
    shell = "sleep 600 & echo $!; wait"
    child = subprocess.Popen(
        ["sh", "-c", shell], stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    processes.kill_group(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    wait_for(lambda: is_gone(grandchild))


#: Shares something by multiprocessing, which removes it in the end, and prints where that is.
SHARING = [
    sys.executable,
    "-c",
    "import signal\n"
    "from multiprocessing import shared_memory\n"
    "print(shared_memory.SharedMemory(create=True, size=1).name, flush=True)\n"
    "signal.pause()\n",
]


def test_what_the_killed_shared_is_removed_before_all_are_gone() -> None:
    """Its tracker does that, once the others are dead: it is killed neither with them nor after."""
    printed = in_child(
        """
        become_subreaper()
        read, write = os.pipe()
        pid = spawn(eval(sys.argv[1]), environment={}, output_fd=write)
        os.close(write)
        shared = "/dev/shm/" + os.read(read, 100).decode().strip()
        print(os.path.exists(shared), len(descendants()))
        kill_group(pid, signal.SIGKILL)
        kill_all()
        print(os.path.exists(shared), descendants(), dict(reap())[pid])
        """,
        repr(SHARING),
    )
    assert printed.splitlines() == ["True 2", "False [] -9"]


def test_a_tracker_that_does_not_end_is_killed() -> None:
    marker = uuid.uuid4().hex
    program = "import time  # from multiprocessing.resource_tracker import main\ntime.sleep(600)"
    tracker = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, processes.MARKER: marker}
    )
    processes.kill_all(marker)
    assert tracker.wait() == -signal.SIGKILL


def test_a_strange_name_hides_no_descendant(tmp_path: Path) -> None:
    """The name stands in brackets between the fields that are read."""
    program = tmp_path / "a) S 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    child = subprocess.Popen([program, "600"])
    try:
        wait_for(lambda: psutil.Process(child.pid).name() == program.name)
        assert child.pid in processes.descendants()
    finally:
        child.kill()
        child.wait()
    assert child.pid not in processes.descendants()


def test_waiting_tells_what_is_readable_or_has_ended() -> None:
    before = open_fds()
    quiet, quiet_end = os.pipe()
    full, full_end = os.pipe2(os.O_NONBLOCK)
    ended, end = os.pipe()
    assert processes.wait_readable([quiet], 0.0) == set()
    assert processes.wait_readable([quiet], -1.0) == set()
    os.write(full_end, b"x" * 5000)
    os.close(end)
    assert processes.wait_readable([quiet, full, ended], None) == {full, ended}
    assert processes.drain(full) == b"x" * 5000
    assert processes.drain(full) == b""
    assert processes.drain(ended) == b""
    for fd in (quiet, quiet_end, full, full_end, ended):
        os.close(fd)
    assert open_fds() == before


@pytest.mark.parametrize(("wait_status", "status"), [(0, 0), (3 << 8, 3), (9, -9), (139, -11)])
def test_an_exit_status_is_positive_and_a_signal_negative(wait_status: int, status: int) -> None:
    assert processes.exit_status(wait_status) == status
