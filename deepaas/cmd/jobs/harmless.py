# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a service sends may have been written by anybody: make it do no harm here."""

import json
from typing import Any, Final

#: The longest text that is shown in one line.
_MOST_SHOWN: Final = 500
#: Of arrays and objects in each other. Python, which follows them by recursion when it prints them,
#: comes to about a thousand.
_DEEPEST: Final = 200
_KEPT: Final = "\n\r\t"
#: Controls of ISO 6429 (C0, DEL, C1), with which a text moves the cursor, or types for its reader.
_CONTROLS: Final = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in _KEPT}


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: It is none, or is nested so deeply that it could not be printed.
    """
    try:
        content = json.loads(text)
    except RecursionError as exc:
        raise ValueError("It is nested too deeply.") from exc
    level = [content]
    for _ in range(_DEEPEST):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return content
    raise ValueError("It is nested too deeply.")


def _parts(whole: object) -> list[Any]:
    if isinstance(whole, dict):
        return list(whole.values())
    return whole if isinstance(whole, list) else []


def shown(text: str) -> str:
    """Return a text of a service as one line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else " " for char in text[:_MOST_SHOWN])


def without_controls(text: str) -> str:
    """Return a text for a terminal: of control characters it keeps ends of lines and tabs."""
    return text.translate(_CONTROLS)
