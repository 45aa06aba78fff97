# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What several tests write a package of."""

from datetime import date
from typing import Any

from deepaas.scaffold.facts import Facts
from deepaas.scaffold.names import names_of

#: Each breaks a file that it is pasted into.
HOSTILE = (
    '"; rm -rf /"',
    "it's {{ config }} {% raw %} {# #}",
    "$(id) `id` ${HOME}",
    "two\nlines: - yes",
    '"""',
    'ends in "',
    "ends in \\",
    "\\N{DASH} \\u0041 %(x)s",
    "é 漢 😀 \u2028\u0085\ufeff",
    "# [tool]\n---\n...",
    "no",
)


def facts(name: str = "leaf-kinds", **changes: Any) -> Facts:
    """Return facts that are all known, on a day that does not pass."""
    known = {"title": "Leaves", "summary": "Kinds.", "author": "A. Author", **changes}
    return Facts(names_of(name), today=date(2026, 11, 26), **known)
