# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files by which a test and the models of its server tell each other how far they are."""

import os
import time
from pathlib import Path

#: The folder that both know.
FOLDER = Path(os.environ["SIGNALS"])


def note(event: str) -> None:
    """Tell the test what happens; each note is a line of one file, also from several processes."""
    with (FOLDER / "notes").open("a") as file:
        file.write(f"{event}\n")


def wait_until(event: str) -> None:
    """Wait until the test allows it."""
    while not (FOLDER / event).exists():
        time.sleep(0.005)


def is_first(event: str) -> bool:
    """Whether nobody asked before, in any process."""
    try:
        (FOLDER / event).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
