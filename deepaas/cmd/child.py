# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The process in which a command runs its model: ``python -P -m deepaas.cmd.child``.

The arguments are a folder for uploads, the command's name, and the command's own arguments;
descriptor 3 takes its exit status (:mod:`deepaas.cmd.supervisor`).
"""

import faulthandler
import os
import sys
from pathlib import Path

from deepaas.cmd import cli, predict

STATUS_FD = 3


def main() -> None:
    """Run the command that the arguments name."""
    faulthandler.enable()
    os.set_inheritable(STATUS_FD, False)
    folder, prog, *argv = sys.argv[1:]
    run = {cli.PROG: cli.run_here, predict.PROG: predict.run_here}[prog]
    status = run(argv, Path(folder))
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(STATUS_FD, bytes([status]))
    sys.exit(status)


if __name__ == "__main__":
    main()
