# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a check of a project comes to, and what a rule is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepaas.lint.project import Project


@dataclass(frozen=True, slots=True)
class Fault:
    """A place that a rule is about."""

    #: Of the file, below the folder that is looked at.
    file: str
    #: From 1.
    line: int
    #: What is wrong there; never holds a secret.
    message: str
    #: What to do, where it is not what the rule says.
    remedy: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fault, and the rule that has found it."""

    file: str
    line: int
    rule: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule} {self.message} ({self.remedy})"


Check = Callable[["Project"], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that breaks later."""

    #: Letters for the subject, digits: ``DCK01``.
    id: str
    #: What is wrong, in a few words.
    title: str
    remedy: str
    check: Check


def rule(name: str, remedy: str) -> Callable[[Check], Rule]:
    """Make a rule of the function that finds its faults; its docstring begins with the title."""

    def of(check: Check) -> Rule:
        title = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        return Rule(name, title, remedy, check)

    return of
