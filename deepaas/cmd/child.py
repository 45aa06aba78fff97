# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The process in which a command runs its model: ``python -P -m deepaas.cmd.child``.

The arguments are ``plain`` or ``bar``, a folder for uploads, the command's name, and the command's
own arguments; descriptor 3 takes its exit status (:mod:`deepaas.cmd.supervisor`). With a bar, 4 is
the terminal to print to, in place of the one that the command has, and 5 takes the bar
(:mod:`deepaas.cmd.screen`).
"""

import faulthandler
import os
import sys
from pathlib import Path
from typing import TextIO

from deepaas.cmd import cli, function, predict
from deepaas.execution.children import NAME_IN_CHILD, spawn_children
from deepaas.execution.output import write_each_line

STATUS_FD, TERMINAL_FD, BAR_FD = 3, 4, 5


def main() -> None:
    """Run the command that the arguments name."""
    kind, folder, prog, *argv = sys.argv[1:]
    os.set_inheritable(STATUS_FD, False)
    bar = _open_bar() if kind == "bar" else None
    faulthandler.enable()
    spawn_children()
    if prog == cli.PROG:
        status = cli.run_here(argv, Path(folder), bar)
    elif prog == function.PROG:
        # Here, for the other commands do not need it.
        from deepaas.cmd.function.run import run_here

        status = run_here(argv, Path(folder))
    else:
        status = predict.run_here(argv, Path(folder))
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(STATUS_FD, bytes([status]))
    sys.exit(status)


def _open_bar() -> TextIO:
    """Print to the terminal that was made for this process, and return where its bar goes."""
    for fd in (1, 2):
        if os.isatty(fd):
            os.dup2(TERMINAL_FD, fd)
    os.close(TERMINAL_FD)
    os.set_inheritable(BAR_FD, False)
    return os.fdopen(BAR_FD, "w", encoding="utf-8")


if __name__ == "__main__":
    main()
elif __name__ == NAME_IN_CHILD:
    write_each_line()
