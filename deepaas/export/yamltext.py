# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML as the targets write and read it: comments first, then plain data in its own order."""

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from deepaas.errors import ConfigurationError

_WIDTH = 78
# Texts to us and to YAML 1.1, as PyYAML reads it; other readers take them for numbers or truth.
_OTHERWISE_READ = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?|0[ox][0-9a-f]+|[-+]?\.(inf|nan)|y|n|t|f", re.IGNORECASE
)


def comment(text: str) -> str:
    """Return paragraphs as lines of comment; what is indented in them stays as it is."""
    lines: list[str] = []
    for paragraph in text.strip("\n").split("\n"):
        whole = paragraph.startswith(" ") or not paragraph
        lines += [paragraph] if whole else textwrap.wrap(paragraph, _WIDTH, break_long_words=False)
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def dump(*documents: Mapping[str, Any]) -> str:
    """Return documents as text; every string reads back as it was."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        width=100,
        allow_unicode=True,
        explicit_start=len(documents) > 1,
    )


class _Dumper(yaml.SafeDumper):
    """No aliases, which few people read; texts that other readers take for numbers are quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Only these escape what would be read as another break of a line (U+0085).
        style = '"' if not data.isprintable() else None
        if _OTHERWISE_READ.fullmatch(data):
            style = "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def load(text: str, name: str) -> list[Any]:
    """Return the documents of a text.

    Args:
        text: What is read.
        name: Of the file, for messages.

    Raises:
        ConfigurationError: It is no YAML.
    """
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"'{name}' cannot be read: {exc}") from exc


def every_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with each string in it changed; the keys of mappings stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: every_text(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [every_text(each, change) for each in value]
    return value
