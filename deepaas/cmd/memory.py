# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How the process of the server, which runs no model, keeps its memory."""

import ctypes
import gc
import os

#: Objects that were made and are still there before Python looks for cycles among them.
_COLLECT_AFTER = 5000

#: Of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Free memory at the top of the heap goes back to the system from here on.
_TRIM_BYTES = 8 * 1024 * 1024
#: What is larger gets pages of its own, which go back when it is freed.
_MMAP_BYTES = 4 * 1024 * 1024
#: Variables by which an operator has decided otherwise.
_DECIDED = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def tune() -> None:
    """Set this process up for serving; call it once, when all that stays has been made.

    Under load Python's own threshold of 700 objects is reached every few calls, which took a
    seventh of the server's time, and a look at everything stops all calls for some 10 ms. So it
    looks less often, and not at all among what is there now.

    glibc gives half a megabyte back as soon as it is free and asks for it again for the next body:
    a quarter of the server's time for bodies of 1 MB. Other libraries do not, and have no mallopt.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name in os.environ for name in _DECIDED):
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
