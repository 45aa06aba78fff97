# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What modules say of themselves, against the schemas of catalogues."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.lint.documents import inner, json_fault
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project, Source
from deepaas.tosca.documents import Document, parse_document

#: Those whose schemas are here; version 1 names no version.
VERSIONS: Final = ("2.0.0", "2.1.0", "2.2.0", "2.3.0")
#: What became of the keys of version 1.
SUCCESSORS: Final[Mapping[str, str]] = {
    "tosca": "nothing",
    "sources": "links.source_code and links.docker_image",
    "dataset_url": "links.dataset",
    "cite_url": "links.citation",
    "date_creation": "dates.created",
    "keywords": "tags",
}
_PLACE: Final = re.compile(r".*?:(\d+): (.*)", re.S)


@rule("MET01", "write it as the mapping that the schema of its version describes")
def unreadable(project: Project) -> Iterator[Fault]:
    """A metadata file cannot be read."""
    for source in _metadata(project):
        if source.suffix == ".json":
            fault = json_fault(source.text)
            if fault is not None:
                yield Fault(source.name, fault[0], f"this is no JSON: {fault[1]}")
                continue
        try:
            document = parse_document(source.text.replace("\t", " "), source.name)
        except InvalidDocument as exc:
            found = _PLACE.fullmatch(exc.message)
            line, text = (int(found[1]), found[2]) if found else (1, exc.message)
            yield Fault(source.name, line, text.rstrip("."))
            continue
        if not isinstance(document.data, dict):
            yield Fault(source.name, 1, "this is no mapping of names to values")


@rule("MET02", "correct the value; the fields are described in the schema of that version")
def misfit(project: Project) -> Iterator[Fault]:
    """Metadata does not fit its schema."""
    from jsonschema import Draft7Validator, Draft202012Validator

    for document, name in _judged(project):
        draft = Draft7Validator if name == "deep-apps" else Draft202012Validator
        for error in draft(schema_of(name)).iter_errors(document.data):
            # Keys of version 1 are MET03's.
            if error.validator != "not":
                line = _line(document, tuple(error.absolute_path))
                where = ".".join(map(str, error.absolute_path)) or "the document"
                text = " ".join(error.message.split())[:200]
                yield Fault(document.name, line, f"{where} of schema {name}: {text}")
        yield from _odd_formats(document)


@rule("MET03", "move its value")
def old_keys(project: Project) -> Iterator[Fault]:
    """Keys of version 1 stand in metadata of version 2."""
    for document, name in _judged(project):
        for key, successor in SUCCESSORS.items() if name != "deep-apps" else ():
            if key in document.data:
                yield Fault(
                    document.name,
                    _line(document, (key,)),
                    f"version 2 forbids the key {key!r}",
                    f"what takes its place is {successor}",
                )


@rule("MET04", f"write one of {', '.join(VERSIONS)}")
def unknown_version(project: Project) -> Iterator[Fault]:
    """The version of metadata is not known."""
    for source in _metadata(project):
        for document in source.tables:
            version = document.data.get("metadata_version")
            if source.base != "metadata.json" and str(version) not in VERSIONS:
                line = _line(document, ("metadata_version",))
                yield Fault(source.name, line, f"metadata_version is {version!r}")


def _metadata(project: Project) -> Iterator[Source]:
    return (each for each in project.sources if each.is_metadata and "/" not in each.name)


def _judged(project: Project) -> Iterator[tuple[Document, str]]:
    """Yield the documents of metadata and the names of the schemas that are for them."""
    for source in _metadata(project):
        for document in source.tables:
            version = document.data.get("metadata_version")
            if version in VERSIONS:
                yield document, f"ai4-apps-v{version}"
            elif source.base == "metadata.json" and version is None:
                yield document, "deep-apps"


@cache
def schema_of(name: str) -> dict[str, Any]:
    """Return a schema that lies here."""
    text = files("deepaas.lint").joinpath("schemata", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


_LINKS: Final[tuple[tuple[str, ...], ...]] = (
    *(("links", key) for key in ("documentation", "source_code", "zenodo_doi", "dataset")),
    *(("links", key) for key in ("weights", "citation", "base_model")),
    *(("sources", key) for key in ("dockerfile_repo", "code", "pre_trained_weights")),
    *(("cite_url",), ("dataset_url",)),
)
_DATES: Final[tuple[tuple[str, ...], ...]] = (
    ("dates", "created"),
    ("dates", "updated"),
    ("date_creation",),
)


def _odd_formats(document: Document) -> Iterator[Fault]:
    """Check dates and addresses, which validators of schemas let pass.

    links.docker_image is a reference in practice (``ai4oshub/name``), whatever the schema says; it
    is IMG02's.
    """
    for path in _DATES:
        value = inner(document.data, *path)
        if isinstance(value, str) and not _is_date(value):
            text = f"{'.'.join(path)} is {value!r}, which is no date such as 2026-01-31"
            yield Fault(document.name, _line(document, path), text)
    for path in _LINKS:
        value = inner(document.data, *path)
        if isinstance(value, str) and value and not re.match(r"[A-Za-z][\w+.-]*:\S+$", value):
            text = f"{'.'.join(path)} is {value!r}, which is no address"
            yield Fault(document.name, _line(document, path), text)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _line(document: Document, path: tuple[Any, ...]) -> int:
    return int(document.place(*path).rpartition(":")[2])


RULES = (unreadable, misfit, old_keys, unknown_version)
