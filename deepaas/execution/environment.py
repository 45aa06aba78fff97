# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The environment of a worker: how many threads its libraries start, and which GPUs it sees."""

import os

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_CUDA = "CUDA_VISIBLE_DEVICES"


def worker_environment(workers: int, device: str = "") -> dict[str, str]:
    """Return what is added to the environment of one of ``workers`` processes.

    Numerical libraries start a thread per core in every process unless told otherwise, and
    TensorFlow takes all of a GPU's memory; what the operator has set stands.

    Args:
        workers: How many share the cores.
        device: ``cuda:N``, the N-th of the devices that this process may use; ``cpu``, none of
            them; empty, all of them.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(max(1, cores // max(1, workers))))
    wanted["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    wanted = {name: value for name, value in wanted.items() if name not in os.environ}
    if device == "cpu":
        wanted[_CUDA] = ""
    elif device:
        index = int(device.partition(":")[2])
        wanted[_CUDA] = _visible_device(index)
    return wanted


def _visible_device(index: int) -> str:
    """Return the name of one of the GPUs that this process may use, empty if there is none."""
    if _CUDA not in os.environ:
        return str(index)
    visible = [name.strip() for name in os.environ[_CUDA].split(",") if name.strip()]
    return visible[index] if index < len(visible) else ""
