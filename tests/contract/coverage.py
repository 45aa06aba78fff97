# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which rows the tests say they show, read from their source: no run can leave a test out."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

MARK = "pytest.mark.row"

Tests = Mapping[str, list[str]]


def find_marks(files: Iterable[Path]) -> Tests:
    """Return the tests by the row that they carry.

    Only marks on test functions count; one anywhere else, or whose ids are no literals, is an
    error.
    """
    tests: dict[str, list[str]] = {}
    for file in files:
        tree = ast.parse(file.read_text("utf-8"), str(file))
        calls = {id(call): call for call in _calls(tree)}
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not function.name.startswith("test_"):
                continue
            for decorator in function.decorator_list:
                for call in _calls(decorator):
                    del calls[id(call)]
                    for row in _ids(call, file):
                        tests.setdefault(row, []).append(f"{file.name}::{function.name}")
        for call in calls.values():
            raise ValueError(f"{file}:{call.lineno}: {MARK} stands on no test function")
    return tests


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
            yield node


def _ids(call: ast.Call, file: Path) -> list[str]:
    ids = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    texts = [each for each in ids if isinstance(each, str)]
    if not texts or len(texts) != len(call.args) or call.keywords:
        raise ValueError(f"{file}:{call.lineno}: {MARK} takes ids, as literals")
    return texts


def faults(rows: Iterable[str], open_rows: Iterable[str], tests: Tests) -> list[str]:
    """Return what is wrong with a table and the tests that carry its ids."""
    known, still_open = set(rows), set(open_rows)
    return sorted(
        [f"{row} has no test" for row in known - still_open - tests.keys()]
        + [f"{row} is no row, but open" for row in still_open - known]
        + [f"{row} is no row: {tests[row]}" for row in tests.keys() - known]
        + [f"{row} is open, but has a test: {tests[row]}" for row in still_open & tests.keys()]
    )
