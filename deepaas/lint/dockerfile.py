# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The instructions of a Dockerfile, as far as rules look at them.

https://docs.docker.com/reference/dockerfile/: continued lines, comments in between, heredocs of
``RUN`` and ``COPY``, and ``ARG`` with its default.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    #: Of its first word, from 1.
    line: int
    #: In capitals: ``RUN``.
    name: str
    #: What follows, continued lines joined by a line end each, so that lines can be told.
    value: str

    def line_at(self, offset: int) -> int:
        """Return the line of the file in which a character of the value stands."""
        return self.line + self.value.count("\n", 0, offset)

    @property
    def words(self) -> list[str]:
        """The words of the JSON form or of a shell."""
        try:
            parsed = json.loads(self.value)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list):
            return [str(each) for each in parsed]
        try:
            return shlex.split(self.value)
        except ValueError:
            return self.value.split()

    @property
    def pairs(self) -> Iterator[tuple[str, str, int]]:
        """Yield name, value and line of each pair of an ``ENV``, ``LABEL`` or ``ARG``."""
        words = self.words
        if words and "=" not in words[0]:
            if len(words) > 1:
                yield words[0], " ".join(words[1:]), self.line
            return
        for word in words:
            name, is_pair, value = word.partition("=")
            if is_pair:
                yield name, value, self.line_at(max(self.value.find(f"{name}="), 0))


def instructions_of(text: str) -> list[Instruction]:
    """Return the instructions, in their order."""
    found = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start = number
        line = lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        parts = [lines[start].lstrip()]
        # A comment or an empty line does not end what is continued.
        while number < len(lines) and _continues(parts[-1]):
            following = lines[number]
            number += 1
            is_comment = not following.strip() or following.lstrip().startswith("#")
            parts[-1] = parts[-1].rstrip().removesuffix("\\")
            parts.append(" \\" if is_comment else following)
        whole = "\n".join(parts).rstrip("\\")
        for match in _HEREDOC.finditer(whole):
            while number < len(lines):
                whole += "\n" + lines[number]
                number += 1
                if lines[number - 1].strip() == match[2]:
                    break
        name, _, value = whole.partition(" ")
        found.append(Instruction(start + 1, name.upper(), value))
    return found


def _continues(line: str) -> bool:
    return line.rstrip().endswith("\\")


def commands_of(text: str) -> list[Instruction]:
    """Return the lines of a script, continued ones as one, as if each was a ``RUN``."""
    found: list[Instruction] = []
    is_open = False
    for number, line in enumerate(text.split("\n"), 1):
        if not is_open and line.lstrip().startswith(("#", "//")):
            continue
        own = line.rstrip().removesuffix("\\")
        if is_open:
            last = found.pop()
            found.append(Instruction(last.line, "RUN", f"{last.value}\n{own}"))
        else:
            found.append(Instruction(number, "RUN", own))
        is_open = _continues(line)
    return found


def arguments_of(instructions: list[Instruction]) -> dict[str, str]:
    """Return the ``ARG`` with their defaults; empty where there is none."""
    found = {}
    for each in instructions:
        if each.name == "ARG":
            for word in each.words:
                name, _, value = word.partition("=")
                found[name] = value
    return found


def resolved(text: str, known: dict[str, str]) -> str:
    """Return a text with the variables replaced whose values are known; others stay."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return known.get(name) or match[3] or match[0]

    return _VARIABLE.sub(value_of, text)
