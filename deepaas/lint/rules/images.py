# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The image of a module, which many files name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from deepaas.errors import ConfigurationError
from deepaas.lint.documents import inner, mapping
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source
from deepaas.project import parse_image
from deepaas.tosca.documents import Document

#: Labels that say which image it is.
_LABELS: Final = ("org.opencontainers.image.ref.name",)
_JENKINS: Final = re.compile(
    r"^[^/\n#*]*?\b(?:dockerhub_repo|docker_repository|docker_image)\s*=\s*(['\"])(.+?)\1", re.M
)
_DEFAULT: Final = re.compile(r"\$\{\w+:?-([^}]*)\}")
_VARIABLE: Final = re.compile(r"\$|\{\{|\{%|<|%\(")


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image that a file names for the module."""

    source: Source
    line: int
    text: str

    @property
    def name(self) -> str | None:
        """Its name without tag, ``None`` where that is made only later, or is none."""
        text = _DEFAULT.sub(r"\1", self.text).strip()
        if _VARIABLE.search(text):
            return None
        try:
            return _short(parse_image(text)[0])
        except ConfigurationError:
            return None


@rule("IMG01", "name the same image everywhere")
def disagreeing(project: Project) -> Iterator[Fault]:
    """Files name different images for the module.

    Compare with what metadata says, else with the file that comes first.
    """
    named = list(_named(project))
    first = next((each for each in named if each.name is not None), None)
    if first is None:
        return
    for source in dict.fromkeys(each.source for each in named if each.source is not first.source):
        here = [each for each in named if each.source is source and each.name is not None]
        # A file may name others beside it, such as a database.
        if here and all(each.name != first.name for each in here):
            yield Fault(
                source.name,
                here[0].line,
                f"the image is {here[0].name!r}, but {first.name!r}"
                f" in {first.source.name}:{first.line}",
            )


@rule("IMG02", "write a reference such as ai4oshub/name, or the address of its page")
def no_image(project: Project) -> Iterator[Fault]:
    """What metadata names as the image is none."""
    for each in _of_metadata(project):
        if each.name is None and not _VARIABLE.search(each.text):
            yield Fault(each.source.name, each.line, f"{each.text!r} is no reference of an image")


def _short(name: str) -> str:
    """Return a name without the registry that is meant where none is named."""
    return name.removeprefix("docker.io/").removeprefix("index.docker.io/").lower()


def _named(project: Project) -> Iterator[NamedImage]:
    image = inner(project.pyproject, "tool", "deepaas", "image")
    settings = project.at("pyproject.toml")
    if isinstance(image, str) and settings is not None:
        yield NamedImage(settings, settings.line_of(image), image)
    yield from _of_metadata(project)
    for source in project.sources:
        for instruction in source.instructions:
            for label, value, line in instruction.pairs if instruction.name == "LABEL" else ():
                if label in _LABELS:
                    yield NamedImage(source, line, value)
        if source.base == "Jenkinsfile" or source.suffix == ".groovy":
            for match in _JENKINS.finditer(source.text):
                yield NamedImage(source, source.line_at(match.start(2)), match[2])
        if source.is_yaml:
            for document in source.tables:
                yield from _of_document(source, document)


def _of_metadata(project: Project) -> Iterator[NamedImage]:
    for source in project.sources:
        for document in source.tables if source.is_metadata and "/" not in source.name else ():
            for path in (("links", "docker_image"), ("sources", "docker_registry_repo")):
                if isinstance(value := inner(document.data, *path), str):
                    yield NamedImage(source, _line(document, path), value)


def _of_document(source: Source, document: Document) -> Iterator[NamedImage]:
    """Yield the images of a composition, a manifest of Kubernetes, a template or a function."""
    for path in _paths(document.data):
        value = inner(document.data, *path)
        if isinstance(value, str):
            yield NamedImage(source, _line(document, path), value)


def _paths(data: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    if "tosca_definitions_version" in data:
        for name in ("docker_image", "ai4eosc_model_image"):
            yield "topology_template", "inputs", name, "default"
        for name in mapping(data, "topology_template", "node_templates"):
            yield "topology_template", "node_templates", name, "artifacts", "image", "file"
    elif "apiVersion" in data and "kind" in data:
        for middle in ((), ("template", "spec"), ("jobTemplate", "spec", "template", "spec")):
            containers = inner(data, "spec", *middle, "containers")
            for index, _ in enumerate(containers if isinstance(containers, list) else ()):
                yield "spec", *middle, "containers", index, "image"
    elif "functions" in data:
        functions = inner(data, "functions", "oscar")
        for index, each in enumerate(functions if isinstance(functions, list) else ()):
            for cluster in each if isinstance(each, dict) else ():
                yield "functions", "oscar", index, cluster, "image"
    elif "services" in data:
        for name in mapping(data, "services"):
            yield "services", name, "image"
    elif "script" in data and "image" in data:
        yield ("image",)


def _line(document: Document, path: tuple[Any, ...]) -> int:
    return int(document.place(*path).rpartition(":")[2])


RULES = (disagreeing, no_image)
