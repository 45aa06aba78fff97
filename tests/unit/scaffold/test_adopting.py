# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A base gets what it lacks, keeps what it has, and its author hears what remains."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepaas.errors import ConfigurationError
from deepaas.scaffold.adopting import Plan, adopt
from deepaas.scaffold.base import read_base
from deepaas.scaffold.writing import add_files
from tests.unit.scaffold.facts import HOSTILE, facts

SCRIPT = "def predict(image: Path, top: int = 3, *, mode): ...\n"
OWN = "def get_metadata(): ...\ndef predict(): ...\n"
POINT = '[project.entry-points."deepaas.v2.model"]\nleaves = "leaves.api"\n'


def plan_of(folder: Path, files: dict[str, str], **changes: Any) -> Plan:
    """Write files and plan what they need."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return adopt(read_base(folder), facts(**{"licence": "", **changes}))


def test_a_script_becomes_a_package(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"predict.py": SCRIPT, "network.py": "", "nets/__init__.py": ""})
    assert sorted(plan.files) == [
        ".gitignore",
        "ai4-metadata.yml",
        "leaf_kinds_api.py",
        "pyproject.toml",
        "tests/test_deepaas.py",
    ]
    assert (plan.model, plan.is_declared, plan.kept) == ("leaf_kinds_api", True, {})
    project = tomllib.loads(plan.files["pyproject.toml"])
    assert project["project"]["entry-points"]["deepaas.v2.model"] == {
        "leaf-kinds": "leaf_kinds_api"
    }
    assert project["tool"]["setuptools"] == {
        "py-modules": ["leaf_kinds_api", "network", "predict"],
        "packages": {"find": {"include": ["nets", "nets.*"]}},
    }
    assert "license" not in project["project"]
    api = plan.files["leaf_kinds_api.py"]
    assert '"top": fields.Int(load_default=3),' in api
    assert "import predict as existing" in api
    assert '"license"' not in api
    assert any("declares as text what has no type that is known: mode" in x for x in plan.by_hand)


def test_code_in_src_is_found_and_stays_there(tmp_path: Path) -> None:
    code = {"src/leaves/__init__.py": "", "src/leaves/net.py": SCRIPT, "tool.py": ""}
    plan = plan_of(tmp_path, code)
    assert "import leaves.net as existing" in plan.files["src/leaf_kinds_api.py"]
    assert plan.model == "leaf_kinds_api"
    assert tomllib.loads(plan.files["pyproject.toml"])["tool"]["setuptools"] == {
        "py-modules": ["leaf_kinds_api"],
        "package-dir": {"": "src"},
        "packages": {"find": {"where": ["src"], "include": ["leaves", "leaves.*"]}},
    }


@pytest.mark.parametrize(
    "folder", [{"src/__init__.py": "", "src/net.py": SCRIPT}, {"src/a.txt": ""}]
)
def test_a_folder_src_that_is_no_root_of_code(tmp_path: Path, folder: dict[str, str]) -> None:
    plan = plan_of(tmp_path, {**folder, "tool.py": "" if len(folder) > 1 else SCRIPT})
    assert "leaf_kinds_api.py" in plan.files


def test_a_licence_that_was_chosen_is_written(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"predict.py": "def predict(x: int): ..."}, licence="MIT")
    assert plan.files["LICENSE"].startswith("MIT License")
    assert tomllib.loads(plan.files["pyproject.toml"])["project"]["license"] == "MIT"
    assert '"license": "MIT"' in plan.files["leaf_kinds_api.py"]
    assert not any("licence" in each for each in plan.by_hand)
    assert not any("no type" in each for each in plan.by_hand)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_read_back_as_they_were(tmp_path: Path, text: str) -> None:
    author = "".join(filter(str.isprintable, text))
    given = {"title": text, "summary": text, "author": author, "licence": author}
    files = plan_of(tmp_path, {"predict.py": SCRIPT}, **given).files
    nodes = ast.walk(ast.parse(files["leaf_kinds_api.py"]))
    strings = {each.value for each in nodes if isinstance(each, ast.Constant)}
    assert {text, author} <= strings
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["authors"] == [{"name": author}]
    assert yaml.safe_load(files["ai4-metadata.yml"])["title"] == text


def test_a_whole_package_gets_nothing_and_stays(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": f'[project]\nname = "leaves"\n{POINT}',
        "ai4-metadata.yml": "title: Leaves",
        "LICENSE": "",
        "tests/test_api.py": "",
        "Dockerfile": "",
        ".gitignore": "",
    }
    plan = plan_of(tmp_path, files)
    assert plan == Plan("leaves.api", True, {}, plan.kept, ())
    assert set(plan.kept.values()) == {*files, "tests"} - {"tests/test_api.py"}


def test_what_was_adopted_needs_no_more(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"predict.py": SCRIPT}, licence="MIT")
    add_files(tmp_path, plan.files)
    again = adopt(read_base(tmp_path), facts())
    assert (again.files, again.model) == ({}, plan.model)


@pytest.mark.parametrize(
    ("project", "text", "wanted"),
    [
        ("pyproject.toml", "", '[project.entry-points."deepaas.v2.model"]\n"leaf-kinds" = "own"'),
        (
            "pyproject.toml",
            "[tool.poetry]",
            '[tool.poetry.plugins."deepaas.v2.model"]\n"leaf-kinds" = "own"',
        ),
        ("setup.cfg", "", "[options.entry_points]\ndeepaas.v2.model =\n    leaf-kinds = own"),
        ("setup.py", "", 'entry_points={"deepaas.v2.model": ["leaf-kinds = own"]}'),
    ],
)
def test_a_missing_entry_point_is_the_authors(
    tmp_path: Path, project: str, text: str, wanted: str
) -> None:
    plan = plan_of(tmp_path, {project: text, "own.py": OWN, "predict.py": SCRIPT})
    assert (plan.model, plan.is_declared) == ("own", False)
    assert plan.by_hand[0] == f"{project} needs the entry point that names the model:\n{wanted}"
    assert "own_api.py" not in plan.files
    assert (tmp_path / project).read_text() == text


def test_an_entry_point_belongs_where_the_package_is_described(tmp_path: Path) -> None:
    build = '[build-system]\nrequires = ["setuptools"]\n[tool.black]\n'
    files = {"pyproject.toml": build, "setup.cfg": "[metadata]\nname = leaves", "own.py": OWN}
    plan = plan_of(tmp_path, files)
    assert plan.by_hand[0].startswith("setup.cfg needs the entry point")


def test_pbr_has_its_own_name_for_entry_points(tmp_path: Path) -> None:
    files = {"setup.cfg": "", "setup.py": "setup(pbr=True)", "own.py": OWN}
    assert "[entry_points]" in plan_of(tmp_path, files).by_hand[0]


def test_a_script_beside_a_project_is_for_it_to_install(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"setup.py": "setup()", "predict.py": SCRIPT})
    assert "leaf_kinds_api.py" in plan.files
    assert any("has to install the module leaf_kinds_api" in each for each in plan.by_hand)


def test_what_is_of_version_1_is_said(tmp_path: Path) -> None:
    setup = "[entry_points]\ndeepaas.model =\n    a = b\n"
    files = {"setup.cfg": setup, "metadata.json": "{}", "pkg/__init__.py": "", "pkg/api.py": OWN}
    plan = plan_of(tmp_path, files)
    said = "\n".join(plan.by_hand)
    assert "of version 1 of DEEPaaS" in said
    assert "`ai4-metadata migrate`" in said
    assert plan.model == "pkg.api"
    assert "ai4-metadata.yml" not in plan.files


def test_a_declared_module_of_a_package_needs_a_project_only(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"pkg/__init__.py": "", "pkg/api.py": OWN})
    tool = tomllib.loads(plan.files["pyproject.toml"])["tool"]
    assert tool["setuptools"] == {
        "py-modules": [],
        "packages": {"find": {"include": ["pkg", "pkg.*"]}},
    }


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "No module here has a function 'predict'"),
        ({"a.py": "predict = 7"}, "No module here has a function 'predict'"),
        ({"a.py": SCRIPT, "b.py": SCRIPT}, "Several modules have a function 'predict': a, b"),
    ],
)
def test_without_one_model_nothing_is_adopted(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        plan_of(tmp_path, files)
