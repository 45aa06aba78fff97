# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Models on a GPU: what they answer, what they run out of, and what they leave behind.

That a process which has lost its GPU is replaced is tested without one, too.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.harness import Answer, Server, wait_for
from tests.integration.signals import Signals, serve_signalling

MODEL = "uses_gpu"
LOSES = "loses_its_gpu"
#: What ``holds`` keeps, less what the driver counts in another way.
HELD_MIB = 4000


def gpu_memory() -> dict[int, int]:
    """Return the GPU's memory that each process uses, in MiB, by pid."""
    found = _smi("--query-compute-apps=pid,used_memory")
    return {int(pid): int(used) for pid, used in (line.split(", ") for line in found)}


def used_mib() -> int:
    """Return how much memory of all GPUs is used, in MiB."""
    return sum(int(line) for line in _smi("--query-gpu=memory.used"))


def _smi(query: str) -> list[str]:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.splitlines()


def _has_gpu() -> bool:
    if not (find_spec("torch") and shutil.which("nvidia-smi")):
        return False
    try:
        return bool(_smi("--query-gpu=uuid"))
    except (subprocess.SubprocessError, OSError):
        return False


on_gpu = pytest.mark.skipif(not _has_gpu(), reason="there is no GPU, or no PyTorch")


@pytest.mark.parametrize("how", ["alone", "in a stream", "asynchronously", "in batches"])
def test_a_worker_that_has_lost_its_gpu_answers_and_is_replaced(tmp_path: Path, how: str) -> None:
    with losing(tmp_path, how) as (server, _):
        before = pid_of(server)
        lost = ask(server, "lost")
        if how == "in a stream":
            assert lost.text.startswith(f"data: {before}")
            assert "device-side assert" in lost.text
        else:
            assert lost.status == 500
        after = pid_of(server)
        assert after != before
        assert "cannot use its GPU any more: CUDA error: device-side" in server.output()
        # A thread of the model's does not keep the process.
        wait_for(lambda: [each.pid for each in server.running("worker predict")] == [after])


def test_calls_that_run_beside_go_on_while_another_worker_serves(tmp_path: Path) -> None:
    with losing(tmp_path, "asynchronously") as (server, signals):
        before = pid_of(server)
        beside = server.in_background(lambda: ask(server, "waits"))
        signals.wait_note("waits")
        assert ask(server, "lost").status == 500
        assert pid_of(server) != before
        signals.allow("go")
        assert beside.result().json["predictions"] == before


def test_what_a_client_sent_and_the_model_quotes_harms_no_worker(tmp_path: Path) -> None:
    with losing(tmp_path, "alone") as (server, _):
        before = pid_of(server)
        for _ in range(3):
            assert ask(server, "quoted").status == 400
        assert pid_of(server) == before


@contextmanager
def losing(tmp_path: Path, how: str) -> Iterator[tuple[Server, Signals]]:
    environment = {"HOW_CALLS_RUN": how, "TMPDIR_OF_MODEL": str(tmp_path)}
    with serve_signalling(LOSES, tmp_path, environment=environment) as served:
        yield served


def ask(server: Server, how: str = "") -> Answer:
    headers = {"Accept": "text/event-stream"}
    return server.request("POST", f"/v2/models/{LOSES}/predict/?how={how}", headers=headers)


def pid_of(server: Server) -> int:
    """Return the pid that answers, whatever the form."""
    answer = ask(server)
    assert answer.status == 200, answer.text
    if answer.text.startswith("data:"):
        return int(answer.text.split()[1])
    return int(answer.json["predictions"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Signals]]:
    """Lend a server with one worker, which is its own again after each test."""
    folder = tmp_path_factory.mktemp("gpu")
    with serve_signalling(MODEL, folder, "--predict-timeout=15") as served:
        yield served


@on_gpu
@pytest.mark.parametrize(
    ("device", "visible", "gpus"), [("cuda:0", "0", 1), ("cpu", "", 0)], ids=["gpu", "cpu"]
)
def test_a_worker_sees_the_device_that_it_was_given(
    tmp_path: Path, device: str, visible: str, gpus: int
) -> None:
    with serve_signalling(MODEL, tmp_path, f"--devices={device}") as (server, _):
        said = server.predict(MODEL).json["predictions"]
        assert (said["visible"], said["gpus"]) == (visible, gpus)


@on_gpu
def test_tensors_on_the_gpu_are_answers(shared: tuple[Server, Signals]) -> None:
    server, _ = shared
    assert server.predict(MODEL, how="tensor").json["predictions"]["values"] == [0, 1, 2]
    large = server.predict(MODEL, how="large tensor").json["predictions"]
    assert large == [[1.0] * 1000] * 1000
    assert server.predict(MODEL, how="half").json["predictions"] == [0.5, 0.5]


@on_gpu
def test_a_real_fault_of_the_gpu_costs_one_call(shared: tuple[Server, Signals]) -> None:
    server, _ = shared
    before = server.predict(MODEL, how="tensor").json["predictions"]["pid"]
    assert server.predict(MODEL, how="asserts").status == 500
    answer = server.predict(MODEL, how="tensor")
    assert answer.status == 200, answer.text
    assert answer.json["predictions"]["values"] == [0, 1, 2]
    assert answer.json["predictions"]["pid"] != before


@on_gpu
def test_gpu_memory_that_ran_out_costs_one_call_and_no_worker(
    shared: tuple[Server, Signals],
) -> None:
    server, _ = shared
    before = server.predict(MODEL).json["predictions"]["pid"]
    assert server.predict(MODEL, how="exhausts").status == 500
    assert server.predict(MODEL).json["predictions"]["pid"] == before
    assert server.predict(MODEL, how="tensor").status == 200


@on_gpu
def test_a_call_over_its_time_gives_the_gpu_memory_back(shared: tuple[Server, Signals]) -> None:
    server, signals = shared
    before = used_mib()
    call = server.in_background(lambda: server.predict(MODEL, how="holds"))
    signals.wait_note("holds")
    assert used_mib() - before >= HELD_MIB
    assert call.result().status == 504
    wait_for(lambda: used_mib() - before < HELD_MIB)
    assert server.predict(MODEL, how="tensor").status == 200


@on_gpu
def test_a_training_that_runs_out_of_gpu_memory_says_so(shared: tuple[Server, Signals]) -> None:
    server, _ = shared
    ended = server.wait_training(MODEL, server.train(MODEL, how="exhausts")["uuid"])
    assert ended["status"] == "error"
    assert "Out of GPU memory" in json.dumps(ended)


@on_gpu
def test_a_training_uses_the_gpu_beside_predictions_and_gives_it_back(
    shared: tuple[Server, Signals], tmp_path: Path
) -> None:
    server, _ = shared
    assert server.predict(MODEL, how="tensor").status == 200
    before = used_mib()
    uuid = server.train(MODEL, how="holds")["uuid"]
    wait_for(lambda: server.training(MODEL, uuid).get("progress"))
    assert used_mib() - before >= HELD_MIB
    assert server.predict(MODEL, how="tensor").status == 200
    assert server.delete(f"/v2/models/{MODEL}/train/{uuid}").status == 200
    wait_for(lambda: used_mib() - before < HELD_MIB)
    done = server.wait_training(MODEL, server.train(MODEL)["uuid"])
    assert done["status"] == "done"


@on_gpu
def test_the_record_of_a_training_names_the_gpu(shared: tuple[Server, Signals]) -> None:
    server, _ = shared
    uuid = server.wait_training(MODEL, server.train(MODEL)["uuid"])["uuid"]
    record = server.get(f"/v2/models/{MODEL}/jobs/{uuid}/artifacts/").json["record"]
    names = _smi("--query-gpu=name")
    assert [gpu["name"] for gpu in record["hardware"]["gpus"]] == names


@on_gpu
def test_a_server_that_is_killed_leaves_nothing_on_the_gpu(tmp_path: Path) -> None:
    before = used_mib()
    with serve_signalling(MODEL, tmp_path) as (server, signals):
        call = server.in_background(lambda: server.predict(MODEL, how="holds"))
        signals.wait_note("holds")
        server.signal(signal.SIGKILL)
        with pytest.raises((ConnectionError, OSError)):
            call.result()
        wait_for(lambda: used_mib() - before < HELD_MIB)
