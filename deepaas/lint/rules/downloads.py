# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is downloaded in a build: the same tomorrow as today, or not."""

import re
from collections.abc import Iterator
from typing import Final

from deepaas.lint.dockerfile import Instruction, arguments_of, commands_of, resolved
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source

_MOVING: Final = re.compile(
    r"https?://[^\s'\"|;)]{0,300}?(?:\b|[-_.])(?:current|latest|nightly|master|main|HEAD)\b[^\s'\"|;)]{0,300}"
)
_FETCHES: Final = re.compile(r"\b(?:wget|curl|aria2c)\b")
_PIPED: Final = re.compile(
    r"\b(?:curl|wget)\b[^|;&\n]{0,500}\|\s*(?:sudo\s+(?:-\w+\s+)*)?(?:(?:ba|da|z|k)?sh|python3?)\b"
    r"|\b(?:ba|z)?sh\s+(?:-c\s+\"?\$\(|<\()\s*(?:curl|wget)\b"
)
_CLONE: Final = re.compile(r"\bgit\s+clone\b(?P<rest>[^;&|\n]*(?:\n[^;&|\n]*)*)")
_BRANCH: Final = re.compile(r"(?:-b|--branch)[\s=]+(\S+)")
_CHECKED_OUT: Final = re.compile(r"\bgit\b[^;&|]{0,200}\b(?:checkout|reset\s+--hard|switch)\s+(.+)")
_REPOSITORY: Final = re.compile(r"git\+(?:https?|ssh|git)://[^\s'\"#;,\]]+")
#: A commit, or what versions are called; a branch has no digits as a rule.
_FIXED: Final = re.compile(r"[0-9a-f]{7,40}|(?:[\w.]*[-_/])?v?\d+(?:\.\d+)*[\w.+-]*")
_OLD_SETUPTOOLS: Final = re.compile(r"\bsetuptools\s*<=?\s*(\d+)[\d.]*")
_INSTALLS_CLONE: Final = re.compile(
    r"\bpip3?\s+install\b[^;&|]{0,500}(?:\s-e\b|\s--editable\b|\s\.{1,2}(?:/|\s|$))"
)
_SCRIPTS: Final = {".sh", ".bash", ".yml", ".yaml", ".def"}
_REQUIREMENTS: Final = re.compile(
    r"(?:.*requirements.*\.(?:txt|in)|setup\.(?:cfg|py)|pyproject\.toml|environment\.ya?ml|tox\.ini)"
)


@rule("PIN01", "take an address with a version in it, and check a checksum")
def moving_download(project: Project) -> Iterator[Fault]:
    """A build downloads what changes under the same address."""
    for source, each in _commands(project):
        if each.name not in ("RUN", "ADD") or not (
            each.name == "ADD" or _FETCHES.search(each.value)
        ):
            continue
        for match in _MOVING.finditer(each.value):
            yield Fault(source.name, each.line_at(match.start()), f"{match[0]} changes with time")


@rule("PIN02", "download a version, check its checksum, and run the file; or install a package")
def piped_download(project: Project) -> Iterator[Fault]:
    """A build runs what it downloads, unseen."""
    for source, each in _commands(project):
        for match in _PIPED.finditer(each.value) if each.name == "RUN" else ():
            line = each.line_at(match.start())
            yield Fault(source.name, line, "what is downloaded goes to a shell at once")


@rule("PIN03", "clone a tag (--branch v1.0), or check a commit out")
def unpinned_clone(project: Project) -> Iterator[Fault]:
    """A build clones a repository as it is that day."""
    for source, each in _commands(project):
        known = arguments_of(source.instructions)
        for match in _CLONE.finditer(each.value) if each.name == "RUN" else ():
            later = _CHECKED_OUT.search(each.value, match.end())
            if not _is_fixed(_branch(match["rest"]), known) and not (
                later and _is_fixed(later[1].split()[0], known)
            ):
                url = next((word for word in match["rest"].split() if "/" in word), "a repository")
                yield Fault(
                    source.name, each.line_at(match.start()), f"the clone of {url} is not pinned"
                )


@rule("PIN04", "name a release, or add @ and a tag or a commit to the address")
def unpinned_requirement(project: Project) -> Iterator[Fault]:
    """A requirement is a branch of a repository."""
    for source, number, text in _installing(project):
        for match in _REPOSITORY.finditer(text):
            # After the host: a user may stand before an @ of its own.
            path = match[0].partition("://")[2].partition("/")[2]
            if not _is_fixed(path.rpartition("@")[2] if "@" in path else "", {}):
                yield Fault(source.name, number, f"{_shown(match[0])} is not pinned")


@rule("PIN05", "remove the pin: what it was for (pypa/setuptools#3301) is mended")
def old_setuptools(project: Project) -> Iterator[Fault]:
    """An old version of setuptools is asked for."""
    for source, number, text in _installing(project):
        for match in _OLD_SETUPTOOLS.finditer(text):
            if int(match[1]) <= 65:
                yield Fault(source.name, number, f"{match[0]!r} is old, and has known faults")


@rule("PIN06", "COPY the project into the image")
def cloned_module(project: Project) -> Iterator[Fault]:
    """The image is built from a clone, not from the files that are tested."""
    for source in project.dockerfiles:
        for each in source.instructions:
            clone = _CLONE.search(each.value) if each.name == "RUN" else None
            if clone and _INSTALLS_CLONE.search(each.value, clone.end()):
                yield Fault(
                    source.name,
                    each.line_at(clone.start()),
                    "the code in the image comes from a clone: local changes are not in it",
                )


def _commands(project: Project) -> Iterator[tuple[Source, Instruction]]:
    for source in project.sources:
        if source.is_dockerfile:
            yield from ((source, each) for each in source.instructions)
        elif source.suffix in _SCRIPTS or source.base in ("Jenkinsfile", "Makefile"):
            yield from ((source, each) for each in commands_of(source.text))


def _installing(project: Project) -> Iterator[tuple[Source, int, str]]:
    """Yield the lines of what installs packages of Python, without comments."""
    for source in project.sources:
        is_script = source.is_dockerfile or source.suffix in (".sh", ".bash")
        if is_script or _REQUIREMENTS.fullmatch(source.base):
            for number, line in enumerate(source.lines, 1):
                if not line.lstrip().startswith("#"):
                    yield source, number, line


def _branch(rest: str) -> str:
    found = _BRANCH.search(rest)
    return found[1] if found else ""


def _is_fixed(name: str, known: dict[str, str]) -> bool:
    name = resolved(name.strip("'\""), known)
    # What is given at the time of the build is not ours to judge.
    return name.startswith("$") or _FIXED.fullmatch(name) is not None


def _shown(url: str) -> str:
    """Return an address without a user and a token."""
    return re.sub(r"//[^/@]+@", "//", url)


RULES = (
    moving_download,
    piped_download,
    unpinned_clone,
    unpinned_requirement,
    old_setuptools,
    cloned_module,
)
