# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas init`` writes what it says, or nothing."""

import tomllib
from pathlib import Path

import pytest

from deepaas.cmd.init import main
from deepaas.cmd.unbuilt import image_files
from deepaas.errors import ConfigurationError


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_new_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["Leaf_Kinds", "new", "--title", '"; rm', "--author", "A", "--licence", "MIT"]) == 0
    assert "deepaas-run --model-name leaf-kinds" in capsys.readouterr().out
    names = everything(tmp_path / "new")
    assert {"Dockerfile", ".dockerignore", "leaf_kinds/api.py", "LICENSE"} <= set(names)
    assert not any("__pycache__" in name for name in names)
    assert everything(tmp_path) == ["new", *(f"new/{name}" for name in names)]
    dockerfile = (tmp_path / "new" / "Dockerfile").read_text()
    assert "org.opencontainers.image.title='\"; rm'" in dockerfile
    assert 'org.opencontainers.image.version="0.1.0"' in dockerfile

    assert main(["other", "new"]) == 1
    assert "'new' is not empty" in capsys.readouterr().err
    assert everything(tmp_path / "new") == names


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["json", "new"], "is another module's name"),
        (["yaml", "new"], "is installed here already"),
        (["leaves", "none/new"], "No such file or directory"),
        (["leaves", "new", "--title", ""], "The title is empty"),
        (["--adopt", "none"], "is no folder"),
        (["--adopt", "."], "No module here has a function 'predict'"),
    ],
)
def test_a_failure_writes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert reason in capsys.readouterr().err
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["--adopt", ".", "name", "folder"], ["leaves", "--licence", "GPL"], ["leaves", "--tit=x"]],
)
def test_what_cannot_be_meant_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: deepaas init NAME [DIR] | --adopt DIR [NAME]" in capsys.readouterr().err


def test_adopting_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "leaf-kinds"
    folder.mkdir()
    (folder / "run.py").write_text("def predict(x: int): ...")
    (folder / ".gitignore").write_text("mine")
    monkeypatch.chdir(folder)
    assert main(["--adopt", ".", "--author", "A", "--summary", "Kinds."]) == 0
    added = ["leaf_kinds_api.py", "pyproject.toml", "ai4-metadata.yml", "tests/test_deepaas.py"]
    said = capsys.readouterr().out.splitlines()
    assert said[:8] == [
        ".: the model is leaf_kinds_api.",
        "Added:",
        *(f"  {name}" for name in added),
        "Left as it is:",
        "  .gitignore",
    ]
    assert said[-3:] == ["In this folder:", "  pip install -e .", "  deepaas-run"]
    assert (folder / ".gitignore").read_text() == "mine"

    assert main(["--adopt", "."]) == 0
    assert "Added" not in capsys.readouterr().out


def test_a_project_that_has_no_entry_point_is_left_to_its_author(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = '[project]\nname = "Leaves"\ndescription = "Kinds."\n'
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "run.py").write_text("def get_metadata(): ...\ndef predict(): ...")
    assert main(["--adopt", str(tmp_path), "--title", "Leaves", "--licence", "MIT"]) == 0
    said = capsys.readouterr().out
    assert "For you to do:\n  pyproject.toml needs the entry point" in said
    assert '    "leaves" = "run"' in said
    assert "deepaas-run" not in said
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text()) == tomllib.loads(project)


def test_a_package_that_does_not_load_has_no_image() -> None:
    files = {"pyproject.toml": "", "leaves.py": "raise OSError('no weights')"}
    installed = {
        "leaves-1.dist-info/METADATA": "Name: leaves\nVersion: 1\n",
        "leaves-1.dist-info/entry_points.txt": "[deepaas.v2.model]\nleaves = leaves\n",
    }
    with pytest.raises(ConfigurationError, match=r"cannot be exported: .*no weights"):
        image_files("leaves", files, installed)


def test_a_package_that_never_loads_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="was not loaded within 0 s"):
        image_files("leaves", {}, {}, limit_s=0)


def test_a_user_without_a_name_has_to_give_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert main(["leaves", str(tmp_path / "new")]) == 1
    assert "say who is the --author" in capsys.readouterr().err
    assert everything(tmp_path) == []
