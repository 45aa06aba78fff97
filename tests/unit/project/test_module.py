# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module is seen with all that its deployments need."""

import json
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.project import Package, ProjectSettings, Resources, module, module_of, open_module
from deepaas.records import ModelDescription, ModelSource, SourceKind

CODE = "def predict(): return 7\n"


def seen(folder: Path, table: str = "", metadata: dict[str, Any] | None = None) -> module.Module:
    """Make a project of one file and see it."""
    (folder / "pyproject.toml").write_text(f"[tool.deepaas]\n{table}")
    if metadata is not None:
        (folder / "ai4-metadata.json").write_text(json.dumps(metadata))
    source = ModelSource("leaves", SourceKind.FILE, str(folder / "leaves.py"))
    return module_of(source, ModelDescription("leaves", {}))


def test_a_project_that_says_nothing(tmp_path: Path) -> None:
    found = seen(tmp_path)
    assert (found.name, found.title, found.summary) == ("leaves", "leaves", "")
    assert (found.package, found.folder) == (Package("leaves"), tmp_path)
    assert (found.metadata, found.settings) == (None, ProjectSettings())
    assert (found.image, found.resources) == ("leaves:0", Resources(1, 0, 4000, None))


def test_what_the_metadata_says(tmp_path: Path) -> None:
    inference = {"cpu": 2, "gpu": 1, "memory_MB": 8000, "storage_MB": 100}
    document = {
        "title": "Leaves",
        "summary": "Kinds.",
        "links": {"docker_image": "hub/leaves"},
        "resources": {"inference": inference},
    }
    found = seen(tmp_path, metadata=document)
    assert (found.title, found.summary, found.image) == ("Leaves", "Kinds.", "hub/leaves:0")
    assert found.resources == Resources(2, 1, 8000, 100)


def test_the_table_comes_before_the_metadata(tmp_path: Path) -> None:
    inference = {"cpu": 2, "gpu": 1, "memory_MB": 8000, "storage_MB": 100}
    table = "cpus = 4\ngpus = 0\nmemory-mb = 1\nstorage-mb = 2\nimage = 'own:1'"
    found = seen(tmp_path, table, {"resources": {"inference": inference}})
    assert (found.resources, found.image) == (Resources(4, 0, 1, 2), "own:1")


@pytest.mark.parametrize("value", [0, -1, True, "4", 1.5, None, [4]])
def test_what_is_no_amount_is_as_by_default(tmp_path: Path, value: Any) -> None:
    names = ("cpu", "gpu", "memory_MB", "storage_MB")
    document = {"resources": {"inference": dict.fromkeys(names, value)}}
    assert seen(tmp_path, metadata=document).resources == Resources()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"metadata\.json' cannot be read"):
        seen(tmp_path)


def test_code_without_a_project(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # what is above is none of it
    source = ModelSource("leaves", SourceKind.FILE, str(tmp_path / "leaves.py"))
    found = module_of(source, ModelDescription("leaves", {}))
    assert (found.folder, found.settings) == (None, ProjectSettings())


def test_a_model_is_opened_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "leaves_to_open.py"
    file.write_text(CODE)
    found = open_module(str(file))
    assert (found.name, found.description.can_predict) == ("leaves_to_open", True)


def test_the_table_of_the_folder_names_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_by_table.py").write_text(CODE)
    (tmp_path / "pyproject.toml").write_text("[tool.deepaas]\nmodel = './leaves_by_table.py'\n")
    monkeypatch.chdir(tmp_path)
    assert open_module().name == "leaves_by_table"


def test_of_several_models_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [ModelSource(name, SourceKind.OBJECT, f"x:{name}") for name in ("a", "b")]
    monkeypatch.setattr(module, "select_sources", lambda names: sources)
    with pytest.raises(ConfigurationError, match=r"Several models are installed: a, b\. Name one"):
        open_module()
