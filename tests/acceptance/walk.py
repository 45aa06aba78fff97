# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Do what a page of the documentation tells its reader to do, and compare what comes back.

CONTRIBUTING.md says how blocks are marked.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.blocks import Block, Command, blocks_of, commands_of
from tests.service import Service, free_port

#: Where the documentation says that the service listens.
DOCUMENTED = "127.0.0.1:5000"
ORCHESTRATOR = "deepaas orchestrator serve-local"
#: The first start may install; a training or an import of scikit-learn takes seconds.
READY_S = 150.0
UNTIL_S = 60.0
END_S = 30.0
ANYTHING = "…"


def matches(expected: Any, actual: Any) -> bool:
    """Whether parsed JSON is what a page shows: ``"…"`` is any value, as a key any members."""
    if expected == ANYTHING:
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        named = {key: value for key, value in expected.items() if key != ANYTHING}
        return (ANYTHING in expected or named.keys() == actual.keys()) and all(
            key in actual and matches(value, actual[key]) for key, value in named.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(matches, expected, actual))
    return bool(expected == actual)


def agrees(expected: str, actual: str) -> bool:
    """Whether an output is what a page shows; anything is, where it shows nothing."""
    try:
        return not expected or matches(json.loads(expected), json.loads(actual))
    except json.JSONDecodeError:
        return expected.strip() == actual.strip()


class Walk:
    """One reader's way through one page.

    Args:
        folder: Where the reader is; captions of files are relative to it.
        private: A folder for what the reader should not see: state and output of the service.
    """

    def __init__(self, folder: Path, private: Path) -> None:
        self.service: Service | None = None
        self._folder = folder
        self._private = private
        self._uuid = ""
        self._port = free_port()
        self._stack = ExitStack()
        self._environment = {
            **os.environ,
            # The commands of this environment come first, as after `activate`.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "OS_DEFAULT__LISTEN_PORT": str(self._port),
            "DEEPAAS_URL": f"http://127.0.0.1:{self._port}",
            "OS_DEFAULT__STATE_DIR": str(private / "state"),
            "ORCHESTRATOR_URL": f"http://127.0.0.1:{self._port}",
            "ORCHESTRATOR_TOKEN": "anything",
            "XDG_STATE_HOME": str(private / "own"),
        }
        # A make of the reader's own, not one below the make that runs the tests.
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            self._environment.pop(name, None)

    def close(self) -> None:
        """End the service at once, if it is still there."""
        self._stack.close()

    def follow(self, block: Block) -> None:
        """Do what one block says.

        Raises:
            AssertionError: Something else came back than the page says.
        """
        if block.mark == "run-file":
            (self._folder / block.caption).write_text(block.text, "utf-8")
        elif block.mark == "run-server":
            (command,) = commands_of(block)
            self._serve(command.line)
        elif block.mark in ("run-client", "run-until"):
            for command in commands_of(block):
                self._ask(command, until_s=UNTIL_S if block.mark == "run-until" else 0)
        else:
            assert not block.mark, f"no such mark: {block.mark}"

    def _serve(self, line: str) -> None:
        # The Makefile gives the port on the command line; in the environment it would lose.
        ready = f"{line} PORT={self._port}" if line.startswith("make ") else line
        is_orchestrator = line.startswith(ORCHESTRATOR)
        if is_orchestrator:
            ready = f"{line} --listen-port={self._port}"
        self.service = self._stack.enter_context(
            Service(
                ["bash", "-c", f"exec {ready}"],
                port=self._port,
                folder=self._folder,
                environment=self._environment,
                log=self._private / "service.log",
            )
        )
        path = "/" if is_orchestrator else "/v2/health/ready"
        self.service.wait_ready(limit_s=READY_S, path=path)

    def _ask(self, command: Command, *, until_s: float) -> None:
        line = command.line.replace(DOCUMENTED, f"127.0.0.1:{self._port}")
        line = line.replace("UUID", self._uuid)
        deadline = time.monotonic() + until_s
        while True:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            if agrees(command.output, done.stdout):
                break
            assert time.monotonic() < deadline, (
                f"{line}\nis shown as {command.output}gave {done.stdout}"
            )
            time.sleep(0.2)
        self._remember(done.stdout)

    def _remember(self, output: str) -> None:
        try:
            answer = json.loads(output)
        except json.JSONDecodeError:
            return
        if isinstance(answer, dict):
            self._uuid = str(answer.get("uuid") or answer.get("id") or self._uuid)


@contextmanager
def walking(page: Path, folder: Path, private: Path) -> Iterator[Walk]:
    """Follow a page to its end; the service it started runs until the block is left."""
    walk = Walk(folder, private)
    try:
        for block in blocks_of(page):
            walk.follow(block)
        yield walk
    finally:
        walk.close()
