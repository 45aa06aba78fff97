# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Templates into texts; whatever an author wrote is quoted as the format of the file wants it."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template in, named without its suffix; it has to get all that it names."""
    return _environment().get_template(f"{template}.jinja").render(values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701 - no HTML; the filters below quote
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "quoted": _quoted,
        "listed": _listed,
        "one_line": _one_line,
        "docstring": _docstring,
        "markdown": _markdown,
    }
    return environment


def _quoted(text: str) -> str:
    """Return a string of JSON, which is one of TOML and of Python as well.

    Not with surrogate pairs, which both read as two characters; what is unprintable is refused
    before it comes here.
    """
    return json.dumps(text, ensure_ascii=False)


def _listed(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _docstring(text: str) -> str:
    """Return a docstring of one line; an end in a quote or a backslash cannot close it early."""
    line = _one_line(text).rstrip(".").replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{line}."""'


def _markdown(text: str) -> str:
    """Return text in one line that Markdown takes as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", _one_line(text))
