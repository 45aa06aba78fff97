# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A cluster of one node: Slurm's own daemons here, with all that they keep in a folder."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
_PATIENCE_S = 60.0
_STOP_S = 20.0


def require_slurm() -> None:
    """Skip the tests of this module where there is no Slurm, and say how to get it."""
    if missing := [each for each in PROGRAMS if shutil.which(each, path=_path()) is None]:
        pytest.skip(
            f"there is no {missing[0]}; install Debian's slurm-wlm and munge",
            allow_module_level=True,
        )


@dataclass(frozen=True)
class Cluster:
    """Takes jobs."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str, **variables: str) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(
            command,
            env={**self.environment, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, *command: str, **variables: str) -> int:
        """Hand in a batch script and return the number of its job."""
        return int(self.run("sbatch", "--parsable", *command, **variables))

    def wait_until(self, job: int, *states: str, limit_s: float) -> str:
        """Return the state of a job once it is one of these, or has ended."""
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            state = self.state_of(job)
            if state in states or state in ("FAILED", "TIMEOUT", "NODE_FAIL"):
                return state
            time.sleep(0.2)
        raise AssertionError(f"job {job} is {state} after {limit_s:g} s\n{self.logs()}")

    def state_of(self, job: int) -> str:
        """Return the state in Slurm's word for it; jobs that have ended are known for minutes."""
        return self.run(
            "squeue", "--noheader", "--states=all", "--format=%T", f"--job={job}"
        ).strip()

    def logs(self) -> str:
        """Return what the daemons say."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextmanager
def slurm(folder: Path, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Start the daemons; whatever they started ends with them.

    Args:
        folder: With a short path, since sockets are in it; takes their files and the jobs' logs.
        environment: Of the jobs, beside what this process has.
    """
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    config = folder / "slurm.conf"
    config.write_text(_configuration(folder))
    inherited = {**os.environ, "PATH": _path(), "SLURM_CONF": str(config), **environment}
    cluster = Cluster(folder, inherited)
    with ExitStack() as stack:
        for command in _daemons(folder):
            stack.enter_context(_daemon(command, cluster))
        _wait_for_node(cluster)
        try:
            yield cluster
        finally:
            cluster.run("scancel", "--quiet", "--partition=test")
            _wait_for_no_job(cluster)


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _daemons(folder: Path) -> Iterator[Sequence[str]]:
    yield (
        "munged",
        # Without it, it refuses folders below one that others may write to, as /tmp is.
        *("--foreground", "--force"),
        f"--key-file={folder / 'munge.key'}",
        f"--socket={folder / 'munge.socket'}",
        f"--pid-file={folder / 'munged.pid'}",
        f"--seed-file={folder / 'munge.seed'}",
        f"--log-file={folder / 'munged.log'}",
    )
    yield ("slurmctld", "-D")
    yield ("slurmd", "-D", "-N", "node")


def _configuration(folder: Path) -> str:
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    settings = {
        "ClusterName": "deepaas",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "AuthInfo": f"socket={folder / 'munge.socket'}",
        "SlurmUser": user,
        "SlurmdUser": user,
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log",
        # Neither cgroups nor accounting: both need more of a machine than a test may take.
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "AccountingStorageType": "accounting_storage/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "KillWait": 10,
        "ReturnToService": 2,
        "NodeName": f"node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=1 RealMemory=5000",
        "PartitionName": "test Nodes=node Default=YES MaxTime=10",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


@contextmanager
def _daemon(command: Sequence[str], cluster: Cluster) -> Iterator[None]:
    with (cluster.folder / f"{command[0]}.out.log").open("wb") as said:
        process = subprocess.Popen(
            command, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        if command[0] == "munged":
            _wait_for_file(cluster.folder / "munge.socket", process, cluster)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_file(path: Path, process: "subprocess.Popen[bytes]", cluster: Cluster) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while not path.exists():
        assert process.poll() is None, cluster.logs()
        assert time.monotonic() < ends, cluster.logs()
        time.sleep(0.05)


def _wait_for_node(cluster: Cluster) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while True:
        said = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=cluster.environment,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        if said == "idle":
            return
        if time.monotonic() > ends:
            pytest.skip(f"Slurm cannot start here (its node is {said!r}):\n{cluster.logs()}")
        time.sleep(0.1)


def _wait_for_no_job(cluster: Cluster) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while cluster.run("squeue", "--noheader").strip():
        assert time.monotonic() < ends, cluster.logs()
        time.sleep(0.2)
