# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What builds and runs a module elsewhere: Jenkins, and the scripts of functions."""

import re
from collections.abc import Iterator
from typing import Final

from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source

_TAG: Final = re.compile(r"^[ \t]*(?!//)(?:@Field\s+)?(?:def\s+)?(base_[cg]pu_tag)\s*=", re.M)
_VALIDATED: Final = re.compile(r"--metadata-version[=\s\"',]+(\d+\.\d+\.\d+)")
_CALL: Final = r"\bdeepaas-cli\b[^\n]*"
#: The answer of deepaas-cli 2 is a line of its log, as Python writes values, then a colour.
_FROM_LOG: Final = re.compile(
    r"\bgrep\b[^|\n]{0,80}\breturn\b|\bcut\s[^|\n]{0,80}-f\s*5\b|\bawk\b[^|\n]{0,80}return"
)
_FIRST_DOT: Final = re.compile(
    r"\$\{\w+%%\.\*?\}|\bcut\s+(?=[^|\n]{0,80}-d\s*['\"]?\.['\"]?)(?=[^|\n]{0,80}-f\s*1\b)[^|\n)]*"
    r"|\bawk\s+-F\s*['\"]?\\*\.['\"]?\s+['\"]\{\s*print \$1"
)
_STATUS: Final = re.compile(
    r"\bset\s+-\w*e|\bexec\s+deepaas|\bset\s+-o\s+errexit|\$\?|PIPESTATUS|\|\|\s*\w|\bexit\s+\d|\bif\s+!?\s*deepaas"
)


@rule("CI01", "set base_cpu_tag and base_gpu_tag, both or neither")
def half_the_tags(project: Project) -> Iterator[Fault]:
    """Jenkins takes its defaults for the base images."""
    for source in project.named("JenkinsConstants.groovy", "Jenkinsfile"):
        found = {match[1]: match.start(1) for match in _TAG.finditer(source.text)}
        if len(found) == 1:
            ((name, offset),) = found.items()
            text = f"{name} stands alone, and is silently left aside"
            yield Fault(source.name, source.line_at(offset), text)


@rule("CI02", "name the version that the metadata has")
def other_version(project: Project) -> Iterator[Fault]:
    """Metadata is checked as another version."""
    version = _metadata_version(project)
    for source in project.sources:
        for match in _VALIDATED.finditer(source.text) if version else ():
            if match[1] != version:
                text = f"--metadata-version is {match[1]}, and the metadata is of version {version}"
                yield Fault(source.name, source.line_at(match.start()), text)


@rule("FUN01", "let `deepaas function` run the model, which writes the answer as a file")
def answer_from_log(project: Project) -> Iterator[Fault]:
    """The answer is cut out of a log."""
    for source in _scripts(project):
        for match in _FROM_LOG.finditer(source.text):
            yield Fault(source.name, source.line_at(match.start()), "this parses a log")


@rule("FUN02", "cut the last suffix alone, as in ${name%.*}: my.photo.v2.json is my.photo.v2")
def cut_at_first_dot(project: Project) -> Iterator[Fault]:
    """Names of files are cut at their first dot."""
    for source in _scripts(project):
        for match in _FIRST_DOT.finditer(source.text):
            text = "names with dots lose a part, and become the same"
            yield Fault(source.name, source.line_at(match.start()), text)


@rule("FUN03", "begin with `set -e`, or end with the exit status of the call")
def status_lost(project: Project) -> Iterator[Fault]:
    """A function that fails is said to have succeeded."""
    for source in _scripts(project):
        call = re.search(_CALL, source.text)
        # The last command's status is the script's.
        is_last = call and not source.is_yaml and not source.text[call.end() :].strip()
        if call and not is_last and not _STATUS.search(source.text):
            text = "the exit status of deepaas-cli is lost"
            yield Fault(source.name, source.line_at(call.start()), text)


def _metadata_version(project: Project) -> str | None:
    for source in project.named("ai4-metadata.yml", "ai4-metadata.yaml", "ai4-metadata.json"):
        for document in source.tables:
            if isinstance(version := document.data.get("metadata_version"), str):
                return version
    return None


def _scripts(project: Project) -> Iterator[Source]:
    """Yield what calls a model for each file that arrives, or once: scripts alone, or in YAML."""
    for source in project.sources:
        is_function = source.is_yaml and re.search(r"^[ \t-]*script:", source.text, re.M)
        if (is_function or source.suffix == ".sh") and re.search(_CALL, source.text):
            yield source


RULES = (half_the_tags, other_version, answer_from_log, cut_at_first_dot, status_lost)
