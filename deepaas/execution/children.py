# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How the processes begin that a model starts with multiprocessing.

They import the main module of their parent again, by the name ``__mp_main__``, before they do
anything: it must have no effect then but what is meant for them.
"""

import multiprocessing

#: The name of the main module in such a process (multiprocessing.spawn).
NAME_IN_CHILD = "__mp_main__"
#: Tells them which attempt of a job has started them, and its directory: the arguments of the
#: command, which they are given too, a model may change for a script that it runs.
JOB_VARIABLE = "DEEPAAS_JOB"


def spawn_children() -> None:
    """Have multiprocessing start new programs in this process, instead of forks of it.

    A fork of a process in which CUDA or TensorFlow have begun cannot use them, and one of a process
    with threads may wait for ever for a lock that none of them will release. For a process that is
    there for one model; called before that is imported. What the model says itself still holds:
    ``get_context(…)``, or ``set_start_method(…, force=True)``.
    """
    multiprocessing.set_start_method("spawn", force=True)
