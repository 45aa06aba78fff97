# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Images: what they begin from, who runs in them, and who sees that they work."""

import os
import re
from collections.abc import Iterator
from typing import Final

from deepaas.lint.dockerfile import Instruction, arguments_of, resolved
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project

_STAGE: Final = re.compile(r"\s+as\s+(\S+)", re.I)
_ROOT: Final = re.compile(r"(?:root|0)(?::.*)?")


@rule("DCK01", "name a version as tag, or a digest")
def unpinned_base(project: Project) -> Iterator[Fault]:
    """An image begins from another one that changes."""
    for source in project.dockerfiles:
        known = arguments_of(source.instructions)
        stages: set[str] = set()
        for each in source.instructions:
            if each.name != "FROM":
                continue
            image = next((word for word in each.words if not word.startswith("--")), "")
            base = resolved(image, known)
            if base.lower() not in stages | {"scratch"} and not _is_pinned(base):
                yield Fault(source.name, each.line, f"FROM {base} changes with time")
            if stage := _STAGE.search(each.value):
                stages.add(stage[1].lower())


@rule("DCK02", "end with a USER of its own, by number")
def runs_as_root(project: Project) -> Iterator[Fault]:
    """The service runs as root."""
    for source in project.dockerfiles:
        last = _last_stage(source.instructions)
        users = [each for each in last if each.name == "USER"]
        if not users:
            yield Fault(source.name, last[0].line, "no USER is set, so that it runs as root")
        elif _ROOT.fullmatch(users[-1].value.strip()):
            yield Fault(source.name, users[-1].line, "the last USER is root")


@rule("DCK03", "add a HEALTHCHECK that asks /v2/health/ready, or /v2/models/ of version 2")
def no_healthcheck(project: Project) -> Iterator[Fault]:
    """Nothing tells whether the service works."""
    for source in project.dockerfiles:
        last = _last_stage(source.instructions)
        if not any(each.name == "HEALTHCHECK" and each.value.strip() != "NONE" for each in last):
            yield Fault(source.name, last[0].line, "there is no HEALTHCHECK")


@rule("DCK04", "add a .dockerignore that names .git, environments, data and secrets")
def no_dockerignore(project: Project) -> Iterator[Fault]:
    """Everything in the folder goes to the build."""
    for source in project.dockerfiles:
        folder = source.name.removesuffix(source.base)
        names = (f"{source.name}.dockerignore", f"{folder}.dockerignore", ".dockerignore")
        if not any(os.path.isfile(project.folder / name) for name in names):
            yield Fault(source.name, 1, "there is no .dockerignore")


def _is_pinned(image: str) -> bool:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    # A tag that is given at the time of the build is not ours to judge.
    return bool(digest) or tag not in ("", "latest") or image.startswith("$")


def _last_stage(instructions: list[Instruction]) -> list[Instruction]:
    """Return the instructions of the stage that becomes the image."""
    starts = [index for index, each in enumerate(instructions) if each.name == "FROM"]
    return instructions[starts[-1] :] if starts else instructions


RULES = (unpinned_base, runs_as_root, no_healthcheck, no_dockerignore)
