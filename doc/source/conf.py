# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How the documentation is built; warnings are errors, and nothing is fetched."""

from typing import Any

from sphinx.application import Sphinx

import deepaas

project = "DEEPaaS"
author = "The DEEPaaS developers"
copyright = author
version = release = deepaas.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
html_theme = "furo"
html_title = f"DEEPaaS {release}"

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
# Not installed for this; what is shown of it is ours.
autodoc_mock_imports = ["keras"]

nitpicky = True
nitpick_ignore_regex = [
    # Types of the standard library; its inventory is not fetched.
    (r"py:.*", r"(asyncio|collections\.abc|contextlib|datetime|enum|pathlib|types|typing)\..*"),
    (r"py:.*", r"(Any|Path|Mapping|Sequence|datetime)"),
    (r"py:.*", r"keras\..*"),
    # Type variables and aliases of one module.
    (r"py:.*", r"deepaas\..*\.[A-Z]"),
]

_texts: dict[str, list[str]] = {}


def keep_text(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Remember what is said of an attribute, before napoleon reads it."""
    if what in ("attribute", "data", "property"):
        _texts[name] = list(lines)


def restore_text(
    app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]
) -> None:
    """Undo what napoleon made of an attribute: it takes all before a colon for the type."""
    if name in _texts:
        lines[:] = _texts.pop(name)


def setup(app: Sphinx) -> None:
    """Run the one before napoleon, which has priority 500, and the other after it."""
    app.connect("autodoc-process-docstring", keep_text, priority=400)
    app.connect("autodoc-process-docstring", restore_text, priority=600)
