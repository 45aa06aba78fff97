# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model prints, in Python or below it, written out line by line as it is printed."""

import io
import sys


def write_each_line() -> None:
    """Have Python write a line when it is complete, into a file or a pipe as on a terminal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def write_each_line_of_c() -> None:
    """Have the C library do so too, for what libraries print and a crash would lose.

    Otherwise some kilobytes of such output come late, behind what was printed after them.
    """
    # Here and below, since prediction workers do without.
    import ctypes

    libc = ctypes.CDLL(None)
    try:
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
    except ValueError:
        return  # a C library that calls it otherwise
    # 1 is _IOLBF in glibc and in musl; the buffer is left to the library (setvbuf(3)).
    libc.setvbuf(stdout, None, 1, ctypes.c_size_t(0))


def flush_c() -> None:
    """Write out what the C library holds of unfinished lines (fflush(3))."""
    import ctypes

    ctypes.CDLL(None).fflush(None)
