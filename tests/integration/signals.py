# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files by which a test and the models of its server tell each other how far they are."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.integration.harness import Server, serve, wait_for

_VARIABLE = "SIGNALS"
_ROOT = Path(__file__).parents[2]


class Signals:
    """One folder, the same for the test and for its models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a server needs, so that its models find this module and this folder."""
        return {_VARIABLE: str(self._folder), "PYTHONPATH": str(_ROOT)}

    def note(self, event: str) -> None:
        """Tell that something happens; each note is a line, whichever process writes it."""
        with (self._folder / "notes").open("a") as file:
            file.write(f"{event}\n")

    def notes(self, kind: str) -> list[str]:
        """Return what follows ``kind`` in each note that begins with it."""
        path = self._folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line[len(kind) :].strip() for line in lines if line.startswith(kind)]

    def wait_note(self, kind: str, *, count: int = 1) -> list[str]:
        """Wait until there are so many notes that begin with ``kind``."""
        return wait_for(lambda: len(found := self.notes(kind)) >= count and found) or []

    def allow(self, event: str) -> None:
        """Let those go on who wait for this."""
        (self._folder / event).touch()

    def forbid(self, event: str) -> None:
        """Take it back."""
        (self._folder / event).unlink()

    def is_allowed(self, event: str) -> bool:
        return (self._folder / event).exists()

    def wait_until(self, event: str) -> None:
        """Wait until it is allowed."""
        while not self.is_allowed(event):
            time.sleep(0.005)

    def is_first(self, event: str) -> bool:
        """Whether nobody asked this before, in any process."""
        try:
            (self._folder / event).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def of_the_test() -> Signals:
    """Return the signals of the test that started this process's server."""
    return Signals(Path(os.environ[_VARIABLE]))


@contextmanager
def serve_signalling(
    model: str, tmp_path: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Server, Signals]]:
    """Run a server of a model that signals; what still waits at the end is cut off."""
    signals = Signals(tmp_path / "signals")
    with serve(
        model,
        tmp_path,
        "--shutdown-grace=0.5",
        *options,
        environment={**signals.environment, **(environment or {})},
    ) as server:
        yield server, signals
