# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find in the files of a module what breaks later; nothing is run, and no network is needed."""

import re
from collections.abc import Sequence

from deepaas.lint.findings import Fault, Finding, Rule
from deepaas.lint.project import Project, read_project
from deepaas.lint.rules import RULES

_IGNORED = re.compile(r"(?:#|//)\s*deepaas:\s*ignore\[([A-Z0-9, ]+)\]")


def find_faults(project: Project, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Apply rules to a project.

    A line with the comment ``# deepaas: ignore[RULE]`` is left alone by that rule.

    Returns:
        What was found, each once, by file and line.
    """
    found = {
        Finding(fault.file, fault.line, rule.id, fault.message, fault.remedy or rule.remedy)
        for rule in rules
        for fault in rule.check(project)
    }
    return sorted(each for each in found if not _is_ignored(project, each))


def _is_ignored(project: Project, finding: Finding) -> bool:
    source = project.at(finding.file)
    if source is None or finding.line > len(source.lines):
        return False
    said = _IGNORED.search(source.lines[finding.line - 1])
    return said is not None and finding.rule in re.split(r"[,\s]+", said[1])


__all__ = ["RULES", "Fault", "Finding", "Project", "Rule", "find_faults", "read_project"]
