# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.soak``: a server under mixed calls for long, and what it keeps of them.

One call in ten fails: the model raises, or an argument is wrong. Uploads and streams are mixed in,
and some clients leave early. After the first 20,000 calls (after half of them, if they are fewer
than 40,000) the server's resident memory must not grow by more than 5 %, and at the end no
descriptor, file, shared memory or process may be left.
"""

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.contenders import Contender
from benchmarks.footprint import Footprint, faults, quiet
from benchmarks.servers import SHARED_MEMORY, Server, ServerFailed, serve
from benchmarks.soak_calls import Mix, SoakClient, answers_streams, wait_ready

CALLS = 200_000
#: Of those, so many come before the first look at the memory.
WARM_UP = 20_000
CLIENTS = 8
_MODELS = "benchmarks.soak_models:calls,benchmarks.soak_models:items"
#: Ends what hangs: ten times what a call takes on a slow machine.
_CALL_S = 0.02


def _command(python: str, model: str, port: int) -> list[str]:
    return [
        *(python, "-m", "deepaas.cmd.run", f"--listen-port={port}", "--state-dir=state"),
        f"--model-name={model}",
    ]


SERVER = Contender("soak", "deepaas-run", _command, is_peer=False)


class Soak:
    """Sends calls to a server from some threads, and keeps count."""

    def __init__(self, server: Server, *, streams: bool) -> None:
        self._server = server
        self._streams = streams
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def send(self, first: int, count: int) -> None:
        """Send calls with the numbers from ``first`` on; which ones they are follows from that."""
        numbers = iter(range(first, first + count))
        threads = [
            threading.Thread(target=self._work, args=(numbers,), name=f"soak-{index}", daemon=True)
            for index in range(CLIENTS)
        ]
        deadline = time.monotonic() + 60 + count * _CALL_S
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                raise ServerFailed("calls hang")

    def _work(self, numbers: Iterator[int]) -> None:
        mix = Mix(streams=self._streams)
        with SoakClient(self._server.port) as client:
            while True:
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    return
                kind = mix.kind_of(number)
                problem = client.call(kind, number)
                with self._lock:
                    self.done[kind] += 1
                    if problem:
                        self.problems.append(f"call {number} ({kind}): {problem}")


def run(calls: int) -> list[str]:
    """Soak a server, and print a report.

    Returns:
        What it kept, or did wrong; nothing if every promise was kept.
    """
    memory = set(Path(SHARED_MEMORY).glob("*"))
    with serve(SERVER, _MODELS, sys.executable) as server:
        wait_ready(server)
        streams = answers_streams(server.port)
        soak = Soak(server, streams=streams)
        # Long enough for what is kept by intention, such as memory for buffers, to be there.
        first = max(calls // 10, min(calls // 2, WARM_UP))
        started = time.monotonic()
        soak.send(0, first)
        before = quiet(server)
        soak.send(first, calls - first)
        seconds = time.monotonic() - started
        after = quiet(server)
        uploads = [str(path) for path in (server.folder / "tmp").glob("*/*")]
        print(_report(soak, before, after, seconds, streams=streams))
    found = [*soak.problems[:20], *faults(before, after)]
    found += [f"the file {path} was left" for path in uploads]
    # Of other servers on this machine there may be segments too: ours are named after us.
    segments = set(Path(SHARED_MEMORY).glob("*deepaas*")) - memory
    found += [f"the shared memory {path} was left" for path in segments]
    found += [f"the process {each.pid} was left" for each in server.left]
    found += [f"the file {path} was left after the end" for path in server.left_files]
    return found


def _report(
    soak: Soak, before: Footprint, after: Footprint, seconds: float, *, streams: bool
) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(soak.done.items()))
    total = sum(soak.done.values())
    lines = [f"{total:,} calls in {seconds:.0f} s ({total / seconds:,.0f}/s): {kinds}"]
    if not streams:
        lines.append("This version answers no streams; there were none.")
    for name in sorted({*before.processes, *after.processes}):
        was, now = before.processes.get(name), after.processes.get(name)
        if was and now:
            lines.append(
                f"{name}: {was.resident_mb:.1f} → {now.resident_mb:.1f} MB,"
                f" {was.descriptors} → {now.descriptors} descriptors"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Soak as the arguments say.

    Returns:
        1 if a promise was broken.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help=f"({CALLS})")
    broken = run(parser.parse_args(argv).calls)
    print(*(broken or ["Nothing was left, and nothing grew."]), sep="\n")
    return int(bool(broken))


if __name__ == "__main__":
    # As after Ctrl-C, what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
