# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module is changed once, when it is imported, and looks as if nobody had."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from deepaas.model.importing import when_imported

NAME = "imported_in_a_test"


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ModuleType]]:
    """Register the change of a module that can be imported; return those that were changed."""
    (tmp_path / f"{NAME}.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    changed: list[ModuleType] = []
    when_imported(NAME, changed.append)
    yield changed
    sys.modules.pop(NAME, None)


def test_it_is_changed_when_it_is_imported(changed: list[ModuleType]) -> None:
    assert changed == []
    module = importlib.import_module(NAME)
    assert changed == [module]
    assert module.VALUE == 1


def test_it_looks_as_ever(changed: list[ModuleType]) -> None:
    module = importlib.import_module(NAME)
    assert inspect.getsource(module) == "VALUE = 1\n"
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__
    assert not [finder for finder in sys.meta_path if "importing" in type(finder).__module__]


def test_another_module_is_left_alone(changed: list[ModuleType], tmp_path: Path) -> None:
    (tmp_path / f"{NAME}_besides.py").touch()
    importlib.import_module(f"{NAME}_besides")
    del sys.modules[f"{NAME}_besides"]
    assert changed == []


def test_one_that_is_imported_already_is_changed_at_once() -> None:
    changed: list[ModuleType] = []
    when_imported("json", changed.append)
    assert changed == [sys.modules["json"]]


def test_one_that_is_not_there_is_not_found(changed: list[ModuleType], tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(NAME)
    assert changed == []


def test_one_whose_import_fails_is_not_changed(changed: list[ModuleType], tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.py").write_text("raise ValueError('broken')\n")
    with pytest.raises(ValueError, match="broken"):
        importlib.import_module(NAME)
    assert changed == []
