# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The language of Dockerfiles, as far as ours use it: words, quotes, continued lines."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Within double quotes these three are taken literally after a backslash:
# https://docs.docker.com/reference/dockerfile/#environment-replacement
_SPECIAL = re.compile(r'([\\"$])')
_BETWEEN_COMMANDS = frozenset({"&&", "||", "{", "}", ";", "|"})
_CONTINUED = re.compile(r"\\[ \t]*$")


def pairs(instruction: str, values: Mapping[str, str]) -> str:
    """Return an ENV or a LABEL; empty where there are no values.

    Args:
        instruction: ``ENV`` or ``LABEL``.
        values: Texts that :func:`can_be_said`.
    """
    words = [f"{name}={quoted(value)}" for name, value in values.items()]
    return f"{instruction} " + " \\\n    ".join(words) + "\n" if words else ""


def can_be_said(value: str) -> bool:
    """Tell whether an ENV or a LABEL can have this value.

    It has to be one line: no quoting brings a break into them. And hadolint does not understand a
    backslash before the end, or before an escaped quote, which builders do.
    """
    if not value.isprintable() or value.endswith("\\"):
        return False
    return "'" not in value or '\\"' not in value


def quoted(value: str) -> str:
    """Return one word that nothing is replaced in."""
    if "'" not in value and _SPECIAL.search(value):
        return f"'{value}'"
    return '"' + _SPECIAL.sub(r"\\\1", value) + '"'


def json_word(value: Any) -> str:
    """Return JSON that :func:`quoted` leaves as it is, to be read by people too."""
    return json.dumps(value).replace("'", r"\u0027")


def program(instruction: str, words: Iterable[str]) -> str:
    """Return a CMD or an ENTRYPOINT that no shell sees, and that nothing is replaced in."""
    # The other way to write a backslash, for hadolint: see can_be_said().
    array = json.dumps(list(words)).replace(r"\\", r"\u005c")
    return f"{instruction} {array}\n"


def shell(*words: str) -> str:
    """Return words as a shell takes them; a break in one would end the instruction."""
    return " ".join(shlex.quote(" ".join(word.split())) for word in words)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction in capitals, with what follows it; comments are left out."""
    lines = [
        line
        for line in text.replace("\r\n", "\n").split("\n")
        if line.strip() and not line.lstrip().startswith("#")
    ]
    whole = ""
    for line in lines:
        whole += _CONTINUED.sub("", line)
        if not _CONTINUED.search(line):
            name, _, rest = whole.strip().partition(" ")
            yield name.upper(), rest.strip()
            whole = ""


def last_stage(text: str) -> list[tuple[str, str]]:
    """Return the instructions of what becomes the image."""
    stage: list[tuple[str, str]] = []
    for name, rest in instructions(text):
        stage = [] if name == "FROM" else [*stage, (name, rest)]
    return stage


def installed(text: str) -> Iterator[str]:
    """Yield what commands such as ``pip install`` are given, without their options.

    Raises:
        ValueError: A shell could not run a command.
    """
    for name, rest in instructions(text):
        is_given = False
        for word in shlex.split(rest) if name == "RUN" else ():
            if word == "install":
                is_given = True
            elif word in _BETWEEN_COMMANDS:
                is_given = False
            elif is_given and not word.startswith("-"):
                yield word


def read_pairs(text: str) -> dict[str, str]:
    """Return the values of an ENV or a LABEL.

    Raises:
        ValueError: It is not written as :func:`pairs` does.
    """
    values, rest = {}, text
    while rest:
        found = _PAIR.match(rest)
        if found is None:
            raise ValueError(f"{rest!r} is not NAME=VALUE with a value that is quoted or plain")
        name, double, single, plain = found.groups()
        values[name] = single or plain or re.sub(r"\\(.)", r"\1", double or "")
        rest = rest[found.end() :]
    return values


_PAIR = re.compile(
    r"""\s*([A-Za-z0-9._-]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'\\]*))(?=\s|$)\s*"""
)
