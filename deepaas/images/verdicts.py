# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What checking an image or a service comes to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one thing is as the platform wants it."""

    #: One word or two: ``ports``, ``digits: prediction``.
    check: str
    is_good: bool
    #: What was found, and the remedy where it is not good; no secret.
    text: str

    def __str__(self) -> str:
        return f"{'good' if self.is_good else 'BAD '}  {self.check}: {self.text}"


def good(check: str, text: str) -> Verdict:
    """Return that something is as it should be."""
    return Verdict(check, True, text)


def bad(check: str, text: str) -> Verdict:
    """Return that something is not."""
    return Verdict(check, False, text)


def shown(text: str, most: int = 300) -> str:
    """Return a text of others as one line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else " " for char in text[:most])
