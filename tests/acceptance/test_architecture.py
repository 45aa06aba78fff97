# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The documented walks through the code lead to code that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "doc/source/discussion/architecture.rst"
STEP = re.compile(r"``(deepaas/[\w/]+\.py)``:\s+``([\w.]+)``")
MOST_STEPS = 10


def names_of(source: str) -> set[str]:
    """Return what a module defines: ``function``, ``Class``, ``Class.method``."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{item.name}"
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return names


def missing(text: str, root: Path) -> list[str]:
    """Return the names in the text that lead nowhere."""
    lost = []
    for path, name in STEP.findall(text):
        file = root / path
        if not file.is_file() or name not in names_of(file.read_text("utf-8")):
            lost.append(f"{path}: {name}")
    return lost


def section(title: str) -> str:
    """Return one section of the page."""
    text = PAGE.read_text("utf-8").partition(title)[2]
    assert text, title
    return re.split(r"\n[^\n]+\n-+\n", text.partition("\n")[2].partition("\n")[2])[0]


def test_every_name_on_the_page_resolves() -> None:
    assert missing(PAGE.read_text("utf-8"), ROOT) == []


@pytest.mark.parametrize("title", ["A prediction, step by step", "A training, step by step"])
def test_a_walk_has_at_most_ten_steps_and_each_names_its_place(title: str) -> None:
    steps = re.findall(r"^#\. ((?:.|\n(?!#|\n))*)", section(title), re.MULTILINE)
    assert 3 < len(steps) <= MOST_STEPS
    assert [step for step in steps if not STEP.match(step)] == []


def test_a_name_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "deepaas").mkdir()
    (tmp_path / "deepaas/x.py").write_text("class A:\n    def b(self): ...\n")
    text = "``deepaas/x.py``: ``A.b`` ``deepaas/x.py``: ``A.c`` ``deepaas/y.py``: ``d``"
    assert missing(text, tmp_path) == ["deepaas/x.py: A.c", "deepaas/y.py: d"]
