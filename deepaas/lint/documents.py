# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML of several documents, and JSON, with the line of each value."""

import json
import re
from typing import Any, Final

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, parse_document

_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.M)


def documents_of(text: str, name: str) -> list[Document]:
    """Return the documents of a YAML file that can be parsed; a template of text has none."""
    found = []
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        # The lines before it keep their place, so that it can be told.
        before = "\n" * text.count("\n", 0, start)
        try:
            found.append(parse_document(before + text[start:end], name))
        except InvalidDocument:
            continue
    return found


def json_document(text: str, name: str) -> Document | None:
    """Return what a file of JSON says, ``None`` where it is none.

    JSON is YAML but for its tabs, and YAML's reader knows lines.
    """
    if json_fault(text) is not None:
        return None
    try:
        return parse_document(text.replace("\t", " "), name)
    except InvalidDocument:
        return None


def json_fault(text: str) -> tuple[int, str] | None:
    """Return the line and the reason why a text is no JSON, ``None`` where it is."""
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        return exc.lineno, exc.msg
    except (ValueError, RecursionError) as exc:
        return 1, "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
    return None


def inner(value: Any, *keys: Any) -> Any:
    """Return the value that keys and indices lead to, ``None`` where they lead nowhere."""
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def mapping(value: Any, *keys: Any) -> dict[str, Any]:
    """Return the mapping that keys lead to, an empty one where there is none."""
    found = inner(value, *keys)
    return found if isinstance(found, dict) else {}


def strings(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], str]]:
    """Return every text in a document with the keys and indices that lead to it."""
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, dict):
        return [found for key in value for found in strings(value[key], (*path, key))]
    if isinstance(value, list):
        return [found for i, each in enumerate(value) for found in strings(each, (*path, i))]
    return []
