# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Start a server in a session of its own, look at what it uses, and end all that it started."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from benchmarks import contenders
from benchmarks.contenders import Contender

#: Marks the processes of one server; they all inherit it.
MARK = "DEEPAAS_BENCHMARK_SERVER"
SHARED_MEMORY = "/dev/shm/"  # noqa: S108 - looked at, not made
_GRACE_S = 10.0
#: What processes that hang below the first one get after its end.
_REST_S = 3.0
_MB = 1_000_000
#: Written to ``clear_refs``, it resets the peak of resident memory (proc(5)).
_RESET_PEAK = "5"

T = TypeVar("T")


class ServerFailed(Exception):
    """A server did not start, died, or answered what it should not have."""


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def pinned(cores: Iterable[int] | None) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, to these processors; ``None``: to any."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """A command that serves on a port of loopback, until the block ends."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        folder: Path,
        environment: dict[str, str],
        cores: Iterable[int] | None = None,
    ) -> None:
        self.port = port
        self.command = command
        self.environment = environment
        self._mark = uuid.uuid4().hex
        self._log = folder / "log"
        #: Its home; temporary files are in ``tmp``.
        self.folder = folder
        #: Processes that were still there some time after the first one had ended.
        self.left: list[psutil.Process] = []
        #: Its temporary files after that.
        self.left_files: list[Path] = []
        # Should this process be killed, the server is told to end what it started, and itself.
        wrapper = ("setpriv", "--pdeathsig=TERM") if shutil.which("setpriv") else ()
        self.started_s = time.perf_counter()
        with self._log.open("wb") as output, pinned(cores):
            self._process = subprocess.Popen(
                [*wrapper, *command],
                cwd=folder,
                env={**environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that was started; others may hang below it."""
        return self._process.pid

    def output(self, lines: int = 5) -> str:
        """Return the last that it printed."""
        text = self._log.read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def require_running(self) -> None:
        """Raise :class:`ServerFailed` if it has ended."""
        if (status := self._process.poll()) is not None:
            raise ServerFailed(f"it ended with status {status}: {self.output(lines=1)}")

    def processes(self) -> list[psutil.Process]:
        """Return all that it has started and that lives, itself included."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            # Some programs write their title over their environment; those hang below another.
            if process.pid == self._process.pid or _mark_of(process) == self._mark:
                found.update((each.pid, each) for each in (process, *_below(process)))
        return [each for each in found.values() if _or_else(each.status, "") != "zombie"]

    def cpu_s(self) -> float:
        """Return the processor time of all its processes, those that have ended included."""
        used = [_or_else(process.cpu_times, None) for process in self.processes()]
        return sum(sum(times[:4]) for times in used if times is not None)

    def resident_mb(self) -> float:
        """Return the resident memory of all its processes."""
        return sum(_resident_bytes(each) for each in self.processes()) / _MB

    def proportional_mb(self) -> float:
        """Return the memory of all its processes, what they share counted once."""
        return sum(each.memory_full_info().pss for each in self.processes()) / _MB

    def reset_peaks(self) -> None:
        """Begin to look for the peak of resident memory."""
        for process in self.processes():
            Path(f"/proc/{process.pid}/clear_refs").write_text(_RESET_PEAK)

    def peak_mb(self) -> float:
        """Return the sum of the processes' peaks since :meth:`reset_peaks`."""
        peaks = (_peak_kb(process.pid) for process in self.processes())
        return sum(peaks) * 1024 / _MB

    def stop(self) -> None:
        """End it as an operator would, kill what does not go, and remove its shared memory."""
        processes = self.processes()
        segments = {name for each in processes for name in _segments(each.pid)}
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Processes that have lost their parent are still marked, or were seen before.
        _, alive = psutil.wait_procs(processes, timeout=_REST_S)
        self.left = list({*alive, *self.processes()})
        self.left_files = sorted((self.folder / "tmp").rglob("*"))
        for process in self.left:
            _or_else(process.kill, None)
        psutil.wait_procs(self.left, timeout=_REST_S)
        for name in segments:
            Path(name).unlink(missing_ok=True)


def _or_else(ask: Callable[[], T], otherwise: T) -> T:
    """Ask a process; give the other value if it is gone meanwhile, or another user's."""
    try:
        return ask()
    except (psutil.Error, OSError):
        return otherwise


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # gone meanwhile, or another user's


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _segments(pid: int) -> set[str]:
    """Return the named shared memory that a process has mapped."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    except OSError:
        return set()
    fields = (line.split(maxsplit=5) for line in lines)
    names = {each[5] for each in fields if len(each) == 6}
    return {name for name in names if name.startswith(SHARED_MEMORY) and "deleted" not in name}


@contextmanager
def place() -> Iterator[Path]:
    """Make a folder for one server: home, temporary files, and what its programs import.

    Peers find :mod:`benchmarks` there and nothing else of ours: DEEPaaS 2.6.0 is named as we are.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        (folder / "benchmarks").symlink_to(contenders.ROOT / "benchmarks")
        (folder / "tmp").mkdir()
        _announce(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _announce(folder: Path) -> None:
    """Announce the models as an installed package does, for DEEPaaS 2.6.0 knows no other."""
    info = folder / "benchmark_models-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmark-models\nVersion: 1\n")
    models = ("noop", "raw", "floats", "file", "work", "single", "batch", "stream", "train")
    points = [f"{model} = benchmarks.deepaas_models:{model}\n" for model in models]
    (info / "entry_points.txt").write_text("[deepaas.v2.model]\n" + "".join(points))


@contextmanager
def serve(
    contender: Contender, model: str, python: str, *, cores: Iterable[int] | None = None
) -> Iterator[Server]:
    """Start a server; it is stopped, with all it started, when the block ends."""
    port = free_port()
    filled = {
        name: value.format(model=model, port=port) for name, value in contender.environment.items()
    }
    with place() as folder:
        environment = {
            "PATH": f"{Path(python).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(folder),
            "PYTHONWARNINGS": "ignore",
            "LANG": "C.UTF-8",
            **filled,
        }
        server = Server(
            contender.command(python, model, port),
            port=port,
            folder=folder,
            environment=environment,
            cores=cores,
        )
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def restarted(server: Server) -> Iterator[Server]:
    """Start a server that has ended again, on its port and in its folder, until the block ends."""
    again = Server(
        server.command, port=server.port, folder=server.folder, environment=server.environment
    )
    try:
        yield again
    finally:
        again.stop()
