# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.gpu``: how full our server keeps a GPU, beside the network alone.

Needs a GPU, PyTorch and torchvision. The network alone is the limit: one process that calls it
again and again with pictures that are on the GPU already.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import mean, quantiles

from benchmarks import client, contenders
from benchmarks.contenders import OURS
from benchmarks.measuring import QUICK as PATIENCE
from benchmarks.measuring import first_answer
from benchmarks.servers import Server, ServerFailed, serve
from benchmarks.workloads import Workload

SECONDS = 4.0
_WARM_UP_S = 2.0
_SAMPLE_S = 0.25
_ALONE = """
import sys, time
from benchmarks import gpu_models
size, seconds = int(sys.argv[1]), float(sys.argv[2])
gpu_models.Single().warm()
done, end_s = 0, time.perf_counter() + seconds
started_s = time.perf_counter()
while time.perf_counter() < end_s:
    gpu_models.classify(range(size))
    done += size
print(done / (time.perf_counter() - started_s))
"""


def main() -> int:
    """Measure and print a table; 1 if there is nothing to measure with."""
    try:
        name = _smi("name")[0]
    except (OSError, subprocess.SubprocessError) as exc:
        print(f"There is no GPU: {exc}", file=sys.stderr)
        return 1
    print(f"ResNet-50, half precision, on one {name}; {SECONDS:.0f} s each.\n")
    print("| | pictures/s | p50, ms | p99, ms | GPU busy |\n| --- | --- | --- | --- | --- |")
    for size in (1, 64):
        with _busy() as shares:
            rate = _alone(size)
        _row(f"the network alone, {size} at a time", rate, None, shares)
    for model in ("single", "batched"):
        _measure_served(model)
    return 0


def _alone(size: int) -> float:
    command = [sys.executable, "-c", _ALONE, str(size), str(SECONDS)]
    done = subprocess.run(
        command, cwd=contenders.ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    return float(done.stdout)


def _measure_served(model: str) -> None:
    """Measure our server with one model, at several numbers of clients."""
    ours = replace(
        OURS,
        command=lambda python, model, port: [
            *(python, "-m", "deepaas.cmd.run", f"--listen-port={port}", "--state-dir=state"),
            f"--model-name=benchmarks.gpu_models:{model}",
        ],
    )
    call = ours.call(model, {"number": 7})
    patience = replace(PATIENCE, start_limit_s=300.0)
    with serve(ours, model, sys.executable) as server:
        first_answer(server, call, Workload(model, model, "work"), patience)
        for clients in (1, 64, 128):
            client.call_again(server.port, call.raw, clients=clients, seconds=_WARM_UP_S)
            with _busy() as shares:
                load, _ = client.call_again(server.port, call.raw, clients=clients, seconds=SECONDS)
            _require_whole(server, load)
            rate = len(load.latencies_s) / load.duration_s
            _row(f"DEEPaaS, {model}, {clients} clients", rate, load, shares)


def _require_whole(server: Server, load: client.Load) -> None:
    if load.problems:
        raise ServerFailed(f"{load.problems[0]}: {server.output()}")


@contextmanager
def _busy() -> Iterator[list[float]]:
    """Give a list that holds, when the block has ended, how busy the GPU was, from 0 to 1."""
    shares: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_SAMPLE_S):
            shares.append(int(_smi("utilization.gpu")[0]) / 100)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield shares
    finally:
        is_over.set()
        thread.join()


def _smi(field: str) -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.splitlines()


def _row(title: str, rate: float, load: client.Load | None, shares: list[float]) -> None:
    p50, p99 = "–", "–"
    if load is not None:
        cuts = quantiles(load.latencies_s, n=100, method="inclusive")
        p50, p99 = f"{cuts[49] * 1000:.1f}", f"{cuts[98] * 1000:.1f}"
    busy = f"{mean(shares):.0%}" if shares else "–"
    print(f"| {title} | {rate:,.0f} | {p50} | {p99} | {busy} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
