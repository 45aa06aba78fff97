# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Templates of TOSCA: valid ones, and what others say of them."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.lint.documents import inner, mapping
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source
from deepaas.tosca.documents import Document
from deepaas.tosca.inputs import declared_inputs
from deepaas.tosca.validation import validate

#: Templates that many modules point to and that indigo-dc/tosca-templates has no more.
GONE: Final = {
    "deep-oc-marathon.yml": "deep-oc-marathon-webdav.yml",
    "deep-oc-mesos-webdav.yml": "deep-oc-marathon-webdav.yml",
}
_WEBDAV: Final = (
    *("docker_image", "docker_privileged", "mem_size", "num_cpus", "num_gpus", "rclone_conf"),
    *("rclone_url", "rclone_vendor", "rclone_user", "rclone_password", "app_in_out_base_dir"),
    *("jupyter_password", "run_command"),
)
#: Inputs of templates of indigo-dc/tosca-templates, which cannot be asked here.
UPSTREAM: Final[Mapping[str, tuple[str, ...]]] = {"deep-oc-marathon-webdav.yml": _WEBDAV}
#: No template has these, whatever the schema of metadata allows.
_NEVER: Final = {"rclone_pass": "rclone_password", "jupyter_pass": "jupyter_password"}
_TYPES: Final = {"string": str, "float": float, "integer": int, "boolean": bool}
_NOT_A: Final = re.compile(r'"([^"]*)" is not an? \w+$')
#: More items than any list of a template has; a port is no place in a list.
_MOST_ITEMS: Final = 255
_NAME: Final = re.compile(r"\bdeep-oc-[\w.-]+?\.ya?ml\b")
_CREATES: Final = re.compile(
    r"\b(?:orchent\s+depcreate|orpy\s+deployment\s+create)\s+(?P<template>\S+)\s+(?:\\\n\s*)?'(?P<inputs>\{[^']*)"
)
_VARIABLE: Final = re.compile(
    r"^[ \t]*(?:export\s+)?(\w+)=[\"']?(?:\$\{\w+:?-)?([\w:./-]+\.ya?ml)\b", re.M
)
_KEY: Final = re.compile(r"\"(\w+)\"\s*:")
_GOES_ON: Final = (".md", ".rst", ".sh", ".txt", "")


@rule("TOS01", "correct it; `deepaas tosca validate` checks it alone")
def invalid(project: Project) -> Iterator[Fault]:
    """A template is not valid."""
    for source, document in _templates(project):
        if str(document.data["tosca_definitions_version"]).startswith("alien_dsl"):
            # Alien4Cloud's own dialect, which the parser does not know.
            continue
        # tosca-parser names the value alone, and lets some defaults pass.
        defaults = dict(_wrong_defaults(document))
        for line, (name, kind, value) in defaults.items():
            text = f"the default of the input {name!r} is {value!r}, which is no {kind}"
            yield Fault(source.name, line, text)
        for fault in validate(document, (project.folder / source.name).parent):
            text = " ".join(fault.text.split()).rstrip(".")
            line = int(number) if (number := fault.place.rpartition(":")[2]).isdigit() else 1
            literal = _NOT_A.match(text)
            if literal is None or line > 1:
                yield Fault(source.name, line, text)
            elif all(str(value) != literal[1] for _, _, value in defaults.values()):
                yield Fault(source.name, _line_of(document, literal[1]), text)


@rule("TOS02", "give the place in the list, from 0, or leave it out")
def port_as_index(project: Project) -> Iterator[Fault]:
    """A port stands where a place in a list does."""
    for source, document in _templates(project):
        for path in list(document.lines):
            value = inner(document.data, *path) if path and path[-1] == "get_attribute" else None
            if not isinstance(value, list):
                continue
            for each in value[2:]:
                if isinstance(each, int) and not isinstance(each, bool) and each > _MOST_ITEMS:
                    text = f"get_attribute takes item {each} of the list {value[1]!r}"
                    yield Fault(source.name, _line(document, path), text)


@rule("TOS03", "name an input that the template declares")
def unknown_inputs(project: Project) -> Iterator[Fault]:
    """A template has no such input."""
    for source, line, template, name in [*_listed(project), *_given(project)]:
        known = _inputs_of(project, template)
        if known is not None and name not in known:
            near = f"; it has {_NEVER[name]!r}" if _NEVER.get(name) in known else ""
            yield Fault(source.name, line, f"{template} has no input {name!r}{near}")
        elif known is None and name in _NEVER:
            text = f"no template has an input {name!r}; they have {_NEVER[name]!r}"
            yield Fault(source.name, line, text)


@rule("TOS04", "name one that does")
def missing_templates(project: Project) -> Iterator[Fault]:
    """A template does not exist."""
    for source in project.sources:
        if source.suffix == ".py" or any(
            "tosca_definitions_version" in t.data for t in source.tables
        ):
            continue
        for match in _NAME.finditer(source.text):
            name = match[0]
            if name in GONE and not list(project.named(name)):
                text = f"indigo-dc/tosca-templates has no {name}"
                line = source.line_at(match.start())
                yield Fault(source.name, line, text, f"its place has {GONE[name]}")
    for source, line, template in _pointed_at(project):
        if "://" not in template and not os.path.isfile(project.folder / template):
            yield Fault(source.name, line, f"there is no file {template!r} here")


def _templates(project: Project) -> Iterator[tuple[Source, Document]]:
    for source in project.sources:
        for document in source.tables if source.is_yaml else ():
            if (
                "tosca_definitions_version" in document.data
                and "topology_template" in document.data
            ):
                yield source, document


def _wrong_defaults(document: Document) -> Iterator[tuple[int, tuple[str, str, Any]]]:
    """Yield line, name, type and default of inputs whose defaults are of another type."""
    inputs = mapping(document.data, "topology_template", "inputs")
    for name, declared in inputs.items():
        kind, value = inner(declared, "type"), inner(declared, "default")
        wanted = _TYPES.get(kind) if isinstance(kind, str) else None
        # What is True is an int to Python.
        if wanted is not None and value is not None and type(value) is not wanted:
            path = ("topology_template", "inputs", name, "default")
            yield _line(document, path), (name, str(kind), value)


def _line_of(document: Document, literal: str) -> int:
    """Return the line of the first value, no text, that is written like this."""
    for path in document.lines:
        value = inner(document.data, *path)
        # Defaults that fit their inputs are none of it.
        is_input = path[:2] == ("topology_template", "inputs")
        if not is_input and isinstance(value, int | float) and str(value) == literal:
            return _line(document, path)
    return 1


def _entries(project: Project) -> Iterator[tuple[Source, Document, int, dict[str, Any]]]:
    """Yield the templates that metadata of version 1 lists."""
    for source in project.sources:
        for document in source.tables if source.is_metadata else ():
            entries = inner(document.data, "tosca")
            for index, each in enumerate(entries if isinstance(entries, list) else ()):
                if isinstance(each, dict):
                    yield source, document, index, each


def _pointed_at(project: Project) -> Iterator[tuple[Source, int, str]]:
    for source, document, index, entry in _entries(project):
        if isinstance(url := entry.get("url"), str) and url:
            yield source, _line(document, ("tosca", index, "url")), url


def _listed(project: Project) -> Iterator[tuple[Source, int, str, str]]:
    """Yield the inputs that metadata lists for templates."""
    for source, document, index, entry in _entries(project):
        template = str(entry.get("url", "")).rpartition("/")[2]
        inputs = entry.get("inputs")
        for number, name in enumerate(inputs if isinstance(inputs, list) else ()):
            yield source, _line(document, ("tosca", index, "inputs", number)), template, str(name)


def _given(project: Project) -> Iterator[tuple[Source, int, str, str]]:
    """Yield the inputs that commands for the orchestrator give, in scripts and documentation."""
    for source in project.sources:
        if source.suffix not in _GOES_ON:
            continue
        variables = dict(_VARIABLE.findall(source.text))
        for command in _CREATES.finditer(source.text):
            word = command["template"].strip("\"'")
            template = variables.get(word.strip("${}"), word).rpartition("/")[2]
            for key in _KEY.finditer(command["inputs"]):
                offset = command.start("inputs") + key.start()
                yield source, source.line_at(offset), GONE.get(template, template), key[1]


def _inputs_of(project: Project, template: str) -> set[str] | None:
    """Return the inputs of a template, ``None`` where it is not known."""
    for source, document in _templates(project):
        if source.base == template:
            try:
                return {each.name for each in declared_inputs(document)}
            except InvalidDocument:
                return set(map(str, mapping(document.data, "topology_template", "inputs")))
    known = UPSTREAM.get(template)
    return None if known is None else set(known)


def _line(document: Document, path: tuple[Any, ...]) -> int:
    return int(document.place(*path).rpartition(":")[2])


RULES = (invalid, port_as_index, unknown_inputs, missing_templates)
