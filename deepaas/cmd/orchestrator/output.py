# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the command prints: nothing that an orchestrator says steers a terminal."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deepaas.cmd.jobs.harmless import without_controls
from deepaas.cmd.jobs.output import tell

PROG: Final = "deepaas orchestrator"
_HEAD: Final = ("UUID", "STATUS", "CREATED", "PROVIDER")
_MEMBERS: Final = ("uuid", "status", "creationTime", "cloudProviderName")
#: Members of a deployment that people look for, in the order in which they are shown.
_SHOWN: Final = {
    "uuid": "UUID",
    "status": "Status",
    "statusReason": "Reason",
    "task": "Task",
    "creationTime": "Created",
    "updateTime": "Updated",
    "cloudProviderName": "Provider",
    "userGroup": "Group",
    "callback": "Callback",
}
_ERASE: Final = "\r\x1b[K"


def line_of(value: object) -> str:
    """Return a value of an orchestrator as one line that does nothing to a terminal."""
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(char if char.isprintable() else " " for char in text)


def say(text: str) -> None:
    """Print a line on standard error."""
    tell(f"{PROG}: {line_of(text)}")


def print_json(value: object) -> None:
    """Print JSON, in ASCII and so harmless."""
    print(json.dumps(value, indent=2))


def print_table(deployments: Sequence[Mapping[str, Any]]) -> None:
    """Print deployments, a line each."""
    rows: list[tuple[str, ...]] = [_HEAD]
    rows += [tuple(line_of(one.get(name) or "-") for name in _MEMBERS) for one in deployments]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_deployment(deployment: Mapping[str, Any]) -> None:
    """Print what people look for in a deployment, and its outputs."""
    lines = [(title, deployment.get(name)) for name, title in _SHOWN.items()]
    outputs = deployment.get("outputs")
    if isinstance(outputs, dict):
        lines += [(line_of(name), value) for name, value in outputs.items()]
    lines = [(title, value) for title, value in lines if value is not None]
    width = max((len(title) for title, _ in lines), default=0)
    for title, value in lines:
        print(f"{title}:".ljust(width + 2) + line_of(value))


def print_text(text: str) -> None:
    """Print a text of several lines: as it is, but to a terminal only what is harmless there."""
    sys.stdout.write(without_controls(text) if sys.stdout.isatty() else text)
    if text and not text.endswith("\n"):
        sys.stdout.write("\n")


class Progress:
    """Tells on standard error how a deployment changes; on a terminal, in one line."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._last = ""

    def look(self, deployment: Mapping[str, Any]) -> None:
        """Tell the state of a deployment, unless it was told last."""
        text = " ".join(
            line_of(deployment[name])
            for name in ("uuid", "status", "statusReason")
            if deployment.get(name)
        )
        if text == self._last:
            return
        self._last = text
        if self._is_terminal:
            sys.stderr.write(f"{_ERASE}{text[: _columns()]}")
            sys.stderr.flush()
        else:
            tell(text)

    def end(self) -> None:
        """Leave the last state as a line of the terminal."""
        if self._is_terminal and self._last:
            tell("")


def _columns() -> int:
    """Return how much of a line fits: one that took two could not be erased."""
    try:
        return max(1, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
    except OSError:
        return 79
